"""A family of another package goes through every command without one change in lmctl."""

import json
import math
import os
import subprocess
import sys
from pathlib import Path

import pytest
from waiting import LONGEST_SECONDS

TOY = Path(__file__).parent / "toy_family"
TEXT = "a b\na b\na c\n"
UNIGRAM = ("--set", "model.family=unigram", "--set", "validation.file=valid.txt")


@pytest.fixture
def lmctl(tmp_path):
    """`lmctl(*arguments, stdin="")`: the output of the command, in a process that can import the toy family."""
    environment = {name: value for name, value in os.environ.items() if name != "LMCTL_MODEL"}

    def run(*arguments, stdin="", code=0):
        done = subprocess.run(
            [sys.executable, "-m", "lmctl", *map(str, arguments)],
            input=stdin,
            capture_output=True,
            text=True,
            cwd=tmp_path,
            env=environment | {"PYTHONPATH": str(TOY)},
            timeout=LONGEST_SECONDS,
            check=False,
        )
        assert done.returncode == code, done.stderr
        return done.stdout if code == 0 else done.stderr

    return run


@pytest.fixture
def model(lmctl, tmp_path):
    """Of three lines: a, b and </s> occur 3, 2 and 3 times, c once, <unk> never."""
    (tmp_path / "text.txt").write_text(TEXT)
    (tmp_path / "valid.txt").write_text("a c\n")
    lmctl("train", "text.txt", "-o", "model", *UNIGRAM)
    return "model"


def test_its_probabilities_are_laplaces(lmctl, model):
    # (count + 1) / (9 tokens + 5 words); </s>, as probable as a, is no word that is predicted.
    assert lmctl("predict", "-m", model, "-k", "3", "b") == "a 0.285714 b 0.214286 c 0.142857\n"


def test_it_generates_without_a_line_of_its_own(lmctl, model):
    # The most probable of two words, by the smaller id: </s> and a have 4/14 each, so the empty text has the score
    # ln 4/14, and a text of two words at most 2 ln 4/14.
    best = json.loads(
        lmctl("generate", "-m", model, "--beam", "4", "--words", "2", "--sentences", "1", "--json", "")
    )
    assert (best["tokens"], best["ended_by"]) == (["</s>"], "sentences")
    assert math.isclose(best["logprob"], math.log(4 / 14), rel_tol=1e-5)
    words = lmctl("generate", "-m", model, "--words", "50", "--seed", "1", "--tokens", "").split()
    assert len(words) == 50
    assert {*words} == {"a", "b", "c"}


def test_a_checkpoint_cannot_be_required_of_it(lmctl, model):
    error = lmctl("train", "text.txt", "-o", "other", "--resume", "require", *UNIGRAM, code=2)

    assert error.startswith("lmctl: --resume require: training a model of family unigram leaves no checkpoint")


def test_info_verify_and_models_know_it(lmctl, model):
    info = json.loads(lmctl("info", "-m", model, "--json"))

    assert info["sizes"] == {"family": "unigram", "vocabulary_size": 5}
    assert "unigram" in lmctl("models", ".") or "unigram" in lmctl("models")
    lmctl("verify", "-m", model)


def test_eval_scores_it(lmctl, model):
    figures = json.loads(lmctl("eval", "-m", model, "--json", "-", stdin="a c\n"))

    # 4/14 * 2/14 * 4/14 to the power of -1/3
    assert figures["perplexity"] == pytest.approx((4 * 2 * 4 / 14**3) ** (-1 / 3), rel=1e-6)


def test_it_is_mixed_with_others_and_rolled_back(lmctl, model, tmp_path):
    lmctl("prepare", "text.txt", "-o", "prepared", "--set", "validation.fraction=0")
    for name in ("unigram", "ngram"):
        lmctl("train", "prepared", "-o", name, "--set", f"model.family={name}")
    lmctl("mix", "unigram", "ngram", "-o", "mixed", "--valid", "valid.txt")
    assert (tmp_path / "mixed/current").exists()

    (tmp_path / "text.txt").write_text(TEXT * 2)
    lmctl("train", "text.txt", "-o", model, *UNIGRAM)
    before = (tmp_path / "model/current").readlink()
    lmctl("rollback", "-m", model)

    assert (tmp_path / "model/current").readlink() != before


def test_its_export_format_is_offered_for_its_models_alone(lmctl, model):
    help_text = " ".join(lmctl("export", "--help").split())
    assert "|arpa|tsv|" in help_text
    assert "arpa: models of family ngram or mixture; tsv: models of family unigram; words, " in help_text
    # (count + 1) / (9 tokens + 5 words), as `lmctl predict` has it
    assert lmctl("export", model, "--to", "tsv", "--unknown", "OTHER") == (
        "OTHER\t0.071429\n</s>\t0.285714\na\t0.285714\nb\t0.214286\nc\t0.142857\n"
    )
    assert ": --to arpa takes a model of family ngram or mixture, got family unigram" in lmctl(
        "export", model, "--to", "arpa", code=2
    )


def test_its_keys_are_checked_and_those_of_others_are_refused(lmctl, model):
    assert "model.added: expected a number above 0" in lmctl(
        "train", "text.txt", "-o", "m", "--set", "model.family=unigram", "--set", "model.added=0", code=2
    )
    message = lmctl(
        "train", "text.txt", "-o", "m", "--set", "model.family=unigram", "--set", "model.order=3", code=2
    )
    assert message.count("\n") == 1
    assert "model.order" in message
    assert "ngram" in message
