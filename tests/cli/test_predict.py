"""`lmctl predict`: its formats, the words in its answers, and the choice of the model."""

from __future__ import annotations

import json
import math
import shutil

import numpy as np
import pytest

import lmctl as api

WORDS = ("<unk>", "</s>", "the", "cat", "sat", "on", "mat", "dog", ".")


@pytest.fixture(scope="module")
def ranked(bundle):
    """`ranked(context, k)`: the best words after a context, from the whole distribution of the Python API."""
    model = api.load(bundle)

    def best(context: str, k: int = 5, left_out: tuple[str, ...] = ("<unk>", "</s>")) -> list[tuple[str, float]]:
        log_probs = model.log_probs(context)
        order = [index for index in np.argsort(-log_probs).tolist() if WORDS[index] not in left_out]
        return [(WORDS[index], float(log_probs[index])) for index in order[:k]]

    return best


def words_of(line: str) -> list[str]:
    """The words of a record in the plain format."""
    return line.split(" ")[::2]


def test_plain_is_words_and_probabilities_as_fasttext_has_them(call, bundle, ranked):
    finished = call("predict", "-m", bundle, "-k", "3", "the cat")

    expected = " ".join(f"{word} {math.exp(logprob):.6g}" for word, logprob in ranked("the cat", 3))
    assert (finished.code, finished.err) == (0, "")
    assert finished.out == expected + "\n"


def test_words_are_words_alone(call, bundle, ranked):
    finished = call("predict", "-m", bundle, "--format", "words", "the cat", "the dog")

    assert finished.lines == [" ".join(word for word, _ in ranked(context)) for context in ("the cat", "the dog")]


def test_tsv_has_line_rank_word_and_natural_logarithm(call, bundle, ranked):
    finished = call("predict", "-m", bundle, "--format", "tsv", "-k", "2", "the cat", "", "sat")

    assert finished.rows[0] == ["line", "rank", "word", "logprob"]
    assert finished.rows[1:] == [
        [str(line), str(rank), word, f"{logprob:.6f}"]
        for line, context in enumerate(["the cat", "", "sat"], start=1)
        for rank, (word, logprob) in enumerate(ranked(context, 2), start=1)
    ]


def test_the_line_of_names_comes_once_or_not_at_all(lmctl, bundle):
    asked = ("predict", "-m", bundle, "--format", "tsv", "-k", "1")
    lines = b"the\n" * 600

    header, *rows = lmctl(*asked, stdin=lines).lines

    assert header == "line\trank\tword\tlogprob"
    assert len(rows) == 600
    assert lmctl(*asked, "--no-header", stdin=lines).lines == rows


def test_a_model_may_be_the_first_argument_and_only_one_is_asked(call, bundle, uniform):
    named = call("predict", "-m", bundle, "the cat")

    assert call("predict", bundle, "the cat").out == named.out
    # Once -m names the model, all arguments are contexts.
    assert len(call("predict", "-m", bundle, bundle, "the cat").lines) == 2
    twice = call("predict", "-m", bundle, "-m", uniform, "the cat")
    assert (twice.code, twice.out) == (2, "")
    assert twice.err.startswith(f"lmctl: -m names one model, got {bundle} and {uniform}")


@pytest.mark.parametrize("columns", [40, 60, 120])
def test_answers_fit_a_terminal_of_any_width(on_terminal, bundle, columns):
    code, shown = on_terminal("predict", "-m", bundle, "the cat sat on " * 8, columns=columns)

    assert code == 0
    assert max(map(len, shown.splitlines())) <= columns
    # No word is cut.
    assert {*shown.split()} >= {"the", "cat", "sat", "on", "probability"}


@pytest.mark.parametrize("asked", [("--json",), ("--format", "jsonl")])
def test_jsonl_has_line_context_oov_and_predictions(call, bundle, ranked, asked):
    finished = call("predict", "-m", bundle, *asked, "-k", "2", "the zebra ate", "the cat")

    records = [json.loads(line) for line in finished.lines]
    assert [list(record) for record in records] == [["line", "context", "oov", "predictions"]] * 2
    assert [record["line"] for record in records] == [1, 2]
    assert [record["context"] for record in records] == ["the zebra ate", "the cat"]
    assert [record["oov"] for record in records] == [["zebra", "ate"], []]
    for found, (word, logprob) in zip(records[1]["predictions"], ranked("the cat", 2), strict=True):
        assert found == {"word": word, "prob": pytest.approx(math.exp(logprob)), "logprob": pytest.approx(logprob)}


def test_on_a_terminal_the_answers_are_a_table(on_terminal, bundle, ranked):
    code, shown = on_terminal("predict", "-m", bundle, "-k", "2", "the zebra", "")

    lines = [line.rstrip() for line in shown.splitlines()]
    assert (code, lines[0]) == (0, "the zebra")
    assert lines[1].split() == ["word", "probability"]
    assert lines[4] == "not in the vocabulary: zebra"
    assert lines[6:8] == ["(start of a sentence)", lines[1]]
    best = [
        [word, f"{math.exp(logprob):.4f}", "━" * round(24 * math.exp(logprob))] for word, logprob in ranked("", 2)
    ]
    assert [line.split() for line in lines[8:10]] == best


def test_a_table_can_be_printed_without_a_terminal(call, bundle):
    finished = call("predict", "-m", bundle, "--format", "table", "-k", "1", "the")

    assert finished.lines[0].strip() == "the"
    assert finished.lines[1].split() == ["word", "probability"]


def test_plain_can_be_asked_for_on_a_terminal(on_terminal, bundle, call):
    arguments = ("predict", "-m", bundle, "--format", "plain", "the")

    assert on_terminal(*arguments) == (0, call(*arguments).out)


def test_k_is_how_many(call, bundle):
    for k in (1, 4, 7, 100):
        assert len(words_of(call("predict", "-m", bundle, "-k", str(k), "the").lines[0])) == min(k, 7)


def test_unk_and_end_are_answers_only_when_allowed_and_nothing_is_renormalised(call, bundle, ranked):
    def answers(*flags: str) -> dict[str, float]:
        finished = call("predict", "-m", bundle, "--json", "-k", "9", *flags, "the cat")
        return {found["word"]: found["prob"] for found in json.loads(finished.out)["predictions"]}

    plain, unk, eos = answers(), answers("--allow-unk"), answers("--allow-eos")
    both = answers("--allow-unk", "--allow-eos")

    assert set(plain) == set(WORDS[2:])
    assert set(unk) - set(plain) == {"<unk>"}
    assert set(eos) - set(plain) == {"</s>"}
    assert set(both) == set(WORDS)
    assert sum(both.values()) == pytest.approx(1.0, abs=1e-6)
    assert {word: both[word] for word in plain} == plain
    assert list(both) == [word for word, _ in ranked("the cat", 9, ())]


def test_threshold_leaves_out_less_probable_words(call, bundle, ranked):
    probabilities = [math.exp(logprob) for _, logprob in ranked("the cat", 7)]
    threshold = (probabilities[2] + probabilities[3]) / 2

    finished = call("predict", "-m", bundle, "-k", "7", "--threshold", str(threshold), "the cat")
    nothing = call("predict", "-m", bundle, "--threshold", "1", "the cat", "the dog")

    assert words_of(finished.lines[0]) == [word for word, _ in ranked("the cat", 3)]
    assert nothing.out == "\n\n"
    assert call("predict", "-m", bundle, "--format", "tsv", "--no-header", "--threshold", "1", "the cat").out == ""


def test_candidates_are_the_only_answers(call, bundle, ranked, write):
    candidates = write("candidates.txt", b"dog\t12\nzebra\n\ncat\ndog\n")

    finished = call("predict", "-m", bundle, "--candidates", candidates, "the cat")

    expected = [(word, logprob) for word, logprob in ranked("the cat", 7) if word in ("dog", "cat")]
    assert finished.lines == [" ".join(f"{word} {math.exp(logprob):.6g}" for word, logprob in expected)]


def test_candidates_of_which_the_model_knows_none_are_refused(call, bundle, write):
    finished = call("predict", "-m", bundle, "--candidates", write("none.txt", b"zebra\nyak\n"), "the")

    assert finished.code == 2
    assert finished.err == "lmctl: none of the 2 candidates is in the model's vocabulary\n"


def test_mid_sentence_differs_from_the_start_of_one(call, bundle):
    start = call("predict", "-m", bundle, "cat", "")
    middle = call("predict", "-m", bundle, "--mid-sentence", "cat", "")

    assert middle.code == 0
    assert len(middle.lines) == 2
    assert start.lines[0] != middle.lines[0]
    assert start.lines[1] != middle.lines[1]


def test_carry_continues_the_line_before_and_a_blank_line_adds_nothing(call, bundle):
    carried = call("predict", "-m", bundle, "--state", "carry", "the cat", "", "sat on", "the")
    whole = call("predict", "-m", bundle, "the cat", "the cat", "the cat sat on", "the cat sat on the")
    reset = call("predict", "-m", bundle, "the cat", "", "sat on", "the")

    assert words_of(carried.lines[3]) == words_of(whole.lines[3])
    numbers = [[float(number) for number in line.split(" ")[1::2]] for line in carried.lines]
    expected = [[float(number) for number in line.split(" ")[1::2]] for line in whole.lines]
    assert numbers == [pytest.approx(row, rel=1e-4) for row in expected]
    assert carried.lines[3] != reset.lines[3]


def test_a_text_is_cut_as_the_training_text_was(call, make_bundle, tmp_path):
    bundle = make_bundle(tmp_path / "zh", words=("编程", "艺术", "是", "我", "爱"), segmenter="jieba")

    finished = call("predict", "-m", bundle, "--json", "-k", "1", "我爱编程", "我 爱\u3000编程", "编程斑马")

    records = [json.loads(line) for line in finished.lines]
    assert records[0]["predictions"] == records[1]["predictions"]
    assert [record["oov"] for record in records] == [[], [], ["斑马"]]


def test_the_model_is_m_then_the_variable_then_the_only_one_under_models(lmctl, make_bundle, tmp_path):
    for number, name in enumerate(("named", "variable", "only"), start=1):
        folder = tmp_path / ("models/only" if name == "only" else name)
        make_bundle(folder, words=(name,), seed=number)

    def answer(*arguments: str, **env: str) -> str:
        return words_of(lmctl("predict", *arguments, "x", cwd=tmp_path, env=env).out.strip())[0]

    assert answer() == "only"
    assert answer(LMCTL_MODEL="variable") == "variable"
    assert answer("-m", "named", LMCTL_MODEL="variable") == "named"


def test_two_models_are_one_too_many_but_one_that_was_never_published_does_not_count(
    call, bundle, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    shutil.copytree(bundle, "models/first")
    (tmp_path / "models/failed/generations").mkdir(parents=True)

    assert call("predict", "the").code == 0

    shutil.copytree(bundle, "models/second")
    finished = call("predict", "the")
    assert finished.code == 2
    assert finished.err == "lmctl: which model? models/ has first, second; choose one with -m\n"


def test_a_word_that_was_just_read_becomes_more_probable(call, cached, write):
    text = write("text.txt", b"mat mat mat\nmat mat mat\n")

    def shares(*arguments):
        found = call("predict", "-m", cached, "-k", "9", "--state", "carry", "--json", *arguments, "-f", text)
        assert (found.code, found.err) == (0, "")
        return [{each["word"]: each["prob"] for each in json.loads(line)["predictions"]} for line in found.lines]

    without, with_cache = shares(), shares("--cache", "9")

    assert with_cache[0]["mat"] > without[0]["mat"] + 0.1
    # The other words lose probability: half of it goes to the cache, in which only ends of sentences are.
    assert with_cache[1]["dog"] == pytest.approx(0.5 * without[1]["dog"], rel=1e-5)


def test_a_cache_needs_a_text_to_remember_and_parameters(call, bundle, cached):
    for model, arguments, message in (
        (cached, ("--cache", "9"), "--cache needs --state carry; with --state reset,"),
        (bundle, ("--cache", "9", "--state", "carry"), f"{bundle}: no cache was tuned for this model, because"),
    ):
        finished = call("predict", "-m", model, *arguments, "the")
        assert (finished.code, finished.out, finished.err.count("\n")) == (2, "", 1)
        assert finished.err.startswith(f"lmctl: {message}")
