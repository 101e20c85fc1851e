from __future__ import annotations

import json

import pytest

from lmctl.cli.neighborhoods import NeighborPrinter
from lmctl.query.model import load
from lmctl.query.vectors import Neighbor, Neighborhood, Neighbors


@pytest.fixture(scope="session")
def nearest(bundle):
    """`nearest(word, k)`: words and cosines."""
    model = load(bundle)
    return lambda word, k: [(near.word, near.cosine) for near in Neighbors(model, k=k).answer([word])[0].neighbors]


def test_a_pipe_gets_words_and_cosines_a_line_for_each_word(call, lmctl, bundle, nearest):
    finished = call("neighbors", "-m", bundle, "-k", "2", "cat", "zebra", "the")
    piped = lmctl("neighbors", "-m", bundle, "-k", "2", stdin=b"cat\nzebra\nthe\n")

    lines = [" ".join(f"{word} {cosine:.6g}" for word, cosine in nearest(each, 2)) for each in ("cat", "the")]
    assert (finished.code, finished.lines) == (0, [lines[0], "", lines[1]])
    assert (piped.code, piped.out) == (0, finished.out)


def test_other_formats(call, bundle, nearest):
    arguments = ("neighbors", "-m", bundle, "-k", "1", "cat")

    ((word, cosine),) = nearest("cat", 1)
    assert call(*arguments, "--format", "words").out == f"{word}\n"
    assert call(*arguments, "--format", "tsv").rows == [
        ["line", "rank", "word", "cosine"],
        ["1", "1", word, f"{cosine:.6f}"],
    ]
    assert json.loads(call(*arguments, "--json").out) == {
        "line": 1,
        "word": "cat",
        "oov": [],
        "neighbors": [{"word": word, "cosine": cosine}],
    }
    assert call(*arguments, "--format", "table").lines[1].split() == ["word", "cosine"]
    assert call(*arguments[:-1], "--format", "table", "yak").lines[-2] == "not in the vocabulary: yak"


def test_n_grams_have_no_neighbors(call, counted):
    finished = call("neighbors", "-m", counted, "the")

    assert (finished.code, finished.out, finished.err.count("\n")) == (2, "", 1)
    assert "a model of the family ngram has no word vectors" in finished.err


def test_words_are_given_once(call, bundle):
    finished = call("neighbors", "-m", bundle, "-f", "words.txt", "the")

    assert (finished.code, finished.err) == (2, "lmctl: WORD and -f both give words; use one of them\n")


@pytest.mark.parametrize(
    ("format", "line"), [("tsv", "1\t1\tb\t0.000000"), ("plain", "b 0"), ("table", "b     0.0000")]
)
def test_a_cosine_that_rounds_to_zero_has_no_minus(capsys, format, line):
    cosine = -0.0 if format == "plain" else -4e-7
    NeighborPrinter(format, header=False).print([Neighborhood("a", [], [Neighbor("b", cosine)])])
    assert line in map(str.rstrip, capsys.readouterr().out.splitlines())
