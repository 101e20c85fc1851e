"""`lmctl eval` of a model that fills gaps: pseudo-perplexities, and what it refuses; other commands refuse it."""

from __future__ import annotations

import json
import math

import pytest

from lmctl.query.evaluation import evaluate_gaps
from lmctl.query.model import load

TEXT = b"the cat sat .\n\nzebra on the mat\n"


@pytest.fixture
def masked(make_bundle, tmp_path):
    return make_bundle(tmp_path / "masked", family="masked")


@pytest.fixture
def text(write):
    return write("text.txt", TEXT)


@pytest.fixture
def figures(masked, text):
    model = load(masked)
    return evaluate_gaps(model, model.gap_model, str(text), accuracy_at=[1, 3])


def test_tsv_names_pseudo_perplexity_and_no_perplexity(call, masked, text, figures):
    headings, row = call("eval", "-m", masked, text, "--accuracy-at", "1,3").rows

    found = dict(zip(headings, row, strict=True))
    assert found["pseudo_perplexity"] == f"{figures.pseudo_perplexity:.6f}"
    assert found["pll"] == f"{figures.pll:.6f}"
    assert (found["words"], found["oov"], found["accuracy@3"]) == ("8", "1", f"{figures.accuracy['3']:.6f}")
    assert not {"perplexity", "logprob10", "ppl1"} & set(headings)


def test_sentences_and_words_add_up_to_the_text(call, masked, text, figures):
    headings, *rows = call("eval", "-m", masked, text, "--level", "sentence").rows
    assert headings == ["file", "sentence", "line", "words", "oov", "pll", "pseudo_perplexity", "model"]
    assert [row[1:5] for row in rows] == [["1", "1", "4", "0"], ["2", "3", "4", "1"]]
    assert sum(float(row[5]) for row in rows) == pytest.approx(figures.pll, abs=1e-5)
    assert float(rows[0][6]) == pytest.approx(math.exp(-float(rows[0][5]) / 4), rel=1e-5)

    headings, *rows = call("eval", "-m", masked, text, "--level", "word").rows
    assert headings[4:9] == ["word", "oov", "logprob", "surprisal_bits", "rank"]
    assert [row[4] for row in rows] == ["the", "cat", "sat", ".", "zebra", "on", "the", "mat"]
    assert sum(float(row[6]) for row in rows) == pytest.approx(figures.pll, abs=1e-5)
    assert float(rows[0][7]) == pytest.approx(-float(rows[0][6]) / math.log(2), abs=1e-5)


def test_json_has_the_same_figures(call, masked, text, figures, tmp_path):
    out = tmp_path / "figures.json"
    lines = call("eval", "-m", masked, text, "--level", "word", "--json", "--accuracy-at", "1,3", "-o", out).lines
    found = [json.loads(line) for line in lines]

    assert [each["level"] for each in found] == [*["word"] * 4, "sentence", *["word"] * 4, "sentence", "summary"]
    assert found[4]["pll"] == pytest.approx(sum(each["logprob"] for each in found[:4]))
    assert found[-1]["pseudo_perplexity"] == figures.pseudo_perplexity
    assert found[-1]["accuracy"] == figures.accuracy
    (document,) = json.loads(out.read_text())["texts"]
    assert document["pseudo_perplexity"] == figures.pseudo_perplexity


def test_a_table_says_that_it_is_no_perplexity(call, masked, text, figures):
    out = call("eval", "-m", masked, text, "--format", "table", "--level", "sentence", "--accuracy-at", "1").out

    assert f"{figures.pseudo_perplexity:.2f}" in out
    assert "pseudo-\nperplexity" not in out
    assert "does not compare with a perplexity" in " ".join(out.split())
    words = call("eval", "-m", masked, text, "--format", "table", "--level", "word", "--accuracy-at", "1").out
    assert "zebra" in words
    assert "OOV" in words


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            ("--format", "kenlm"),
            "--format kenlm: {0} fills gaps, and has a pseudo-perplexity; expected table, tsv",
        ),
        (("--format", "srilm"), "--format srilm: {0} fills gaps"),
        (("--state", "carry"), "--state carry: {0} fills gaps"),
        (("--blank-lines", "keep"), "--blank-lines keep: {0} fills gaps"),
        (
            ("--max-perplexity", "9"),
            "--max-perplexity: {0} fills gaps, and has a pseudo-perplexity, no perplexity",
        ),
        (("--state", "carry", "--cache", "9"), "has no distribution of the next word"),
    ],
)
def test_options_without_a_meaning_are_refused(call, masked, text, options, message):
    finished = call("eval", "-m", masked, text, *options)

    assert (finished.code, finished.out) == (2, "")
    assert message.format(masked) in finished.err
    assert len(finished.err.splitlines()) == 1


def test_it_is_not_evaluated_beside_a_perplexity(call, masked, bundle, text):
    finished = call("eval", "-m", bundle, "-m", masked, text)

    assert (finished.code, finished.out) == (2, "")
    assert f"{masked} fills gaps, and has a pseudo-perplexity, which does not compare with the" in finished.err


def test_standard_input_is_scored_line_by_line(lmctl, masked):
    finished = lmctl("eval", "-m", masked, "--level", "sentence", "--no-header", stdin=TEXT)

    assert (finished.code, finished.err) == (0, "")
    assert [row[:5] for row in finished.rows] == [["-", "1", "1", "4", "0"], ["-", "2", "3", "4", "1"]]
    assert lmctl("eval", "-m", masked, stdin=b"\n").code == 65


@pytest.mark.parametrize(
    "arguments",
    [
        ("predict", "-m", "{0}", "the cat"),
        ("predict", "-m", "{0}", "--state", "carry", "--cache", "100", "the cat"),
        ("surprisal", "-m", "{0}", "{2}"),
        ("export", "-m", "{0}", "--to", "arpa", "-o", "model.arpa"),
        ("mix", "{0}", "{1}", "-o", "mixed", "--valid", "{2}"),
        ("mix", "{1}", "{0}", "-o", "mixed", "--valid", "{2}"),
    ],
)
def test_commands_that_need_the_next_word_name_the_one_that_does_not(
    call, masked, bundle, text, tmp_path, monkeypatch, arguments
):
    monkeypatch.chdir(tmp_path)

    finished = call(*(each.format(masked, bundle, text) for each in arguments))

    assert (finished.code, finished.out) == (2, "")
    assert finished.err == (
        f"lmctl: {masked}: a model of family masked has no distribution of the next word, which this needs; it "
        "fills gaps: `lmctl fill`\n"
    )


def test_commands_that_do_not_need_the_next_word_answer(call, masked):
    assert len(call("fill", "-m", masked, "the ___ sat", "-k", "2", "--format", "words").out.split()) == 2
    assert len(call("neighbors", "-m", masked, "cat", "-k", "2", "--format", "words").out.split()) == 2
    assert len(call("embed", "-m", masked, "the cat", "--no-header").rows[0]) == 2 + 8
    assert call("verify", masked).code == 0
    rows = dict(call("info", masked).rows)
    assert rows["valid"] == (
        "pseudo-perplexity 7.39 including OOVs (40 words, each hidden in turn; vocabulary 9, 25.00 % OOV)"
    )
    assert rows["train"] == "masked cross-entropy 2.5000 nats (dropout on)"


def test_models_have_a_column_of_their_own(call, make_bundle, tmp_path):
    from lmctl.store.generations import ModelFolder

    for name, family in (("gaps", "masked"), ("words", "lstm")):
        model = ModelFolder.create(tmp_path / "models" / name)
        model.publish(make_bundle(model.work / "finished", family=family), keep=3)

    headings, gaps, words = call("models", tmp_path / "models").rows
    place, perplexity = headings.index("valid_pseudo_perplexity"), headings.index("valid_perplexity")
    assert (gaps[place], gaps[perplexity], words[place]) == ("7.389000", "", "")
