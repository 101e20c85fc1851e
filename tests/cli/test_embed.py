from __future__ import annotations

import json

import numpy as np
import pytest

from lmctl.query.model import load
from lmctl.query.vectors import SentenceEncoder, word_vectors

TEXTS = ("the cat sat", "the zebra", "")


@pytest.fixture(scope="session")
def model(bundle):
    return load(bundle)


def numbers(fields):
    """The float32 of the printed digits."""
    return np.array(fields, dtype=np.float32)


def read_word2vec(text):
    """Read the format of gensim 4.4's load_word2vec_format: a header, and words and numbers with single spaces."""
    header, *lines = text.splitlines()
    count, width = map(int, header.split(" "))
    rows = [line.split(" ") for line in lines]
    assert len(rows) == count
    assert {len(row) for row in rows} == {width + 1}
    assert len({row[0] for row in rows}) == count
    return {row[0]: numbers(row[1:]) for row in rows}


# Words


def test_the_whole_vocabulary_in_word2vecs_format(call, bundle, model):
    finished = call("embed", "-m", bundle, "--words", "--format", "word2vec")

    found = read_word2vec(finished.out)
    assert tuple(found) == model.vocabulary.words
    np.testing.assert_array_equal(np.stack(list(found.values())), word_vectors(model))


def test_tsv_and_jsonl_have_the_same_numbers(call, bundle, model):
    table = call("embed", "-m", bundle, "--words")
    records = [json.loads(line) for line in call("embed", "-m", bundle, "--words", "--json").lines]

    assert table.rows[0] == ["word", "v1", "v2", "v3"]
    assert [row[0] for row in table.rows[1:]] == [record["word"] for record in records]
    for row, record, vector in zip(table.rows[1:], records, word_vectors(model), strict=True):
        np.testing.assert_array_equal(numbers(row[1:]), vector)
        np.testing.assert_array_equal(numbers(record["vector"]), vector)


def test_some_words_each_once_and_without_those_that_are_unknown(call, lmctl, bundle, write):
    finished = call("embed", "-m", bundle, "--words", "--no-header", "mat", "zebra", "the", "mat")

    assert [row[0] for row in finished.rows] == ["mat", "the"]
    assert finished.err == "lmctl: warning: not in the model's vocabulary, left out: zebra\n"
    listed = call("embed", "-m", bundle, "--words", "--no-header", "-f", write("words.txt", b"mat\n\nthe\n"))
    piped = lmctl("embed", "-m", bundle, "--words", "--no-header", "-f", "-", stdin=b"mat\nthe\n")
    assert finished.out == listed.out == piped.out


# Sentences


def test_sentences_are_printed_as_they_are_encoded(call, lmctl, bundle, model):
    finished = call("embed", "-m", bundle, *TEXTS)
    records = [json.loads(line) for line in call("embed", "-m", bundle, "--json", *TEXTS).lines]
    piped = lmctl("embed", "-m", bundle, stdin="".join(f"{text}\n" for text in TEXTS).encode())

    expected = SentenceEncoder(model).encode(TEXTS)
    assert piped.out == finished.out
    assert finished.rows[0] == ["line", "text", "v1", "v2", "v3", "v4"]
    assert [row[:2] for row in finished.rows[1:]] == [
        [str(line), text] for line, text in enumerate(TEXTS, start=1)
    ]
    for row, record, sentence in zip(finished.rows[1:], records, expected, strict=True):
        np.testing.assert_array_equal(numbers(row[2:]), numbers(sentence.vector))
        assert (record["oov"], record["vector"]) == (sentence.oov, sentence.vector)


def test_in_word2vecs_format_a_sentence_is_its_number(call, bundle, model):
    finished = call("embed", "-m", bundle, "--format", "word2vec", *TEXTS, *TEXTS)

    found = read_word2vec(finished.out)
    assert list(found) == ["1", "2", "3", "4", "5", "6"]
    np.testing.assert_array_equal(found["4"], numbers(SentenceEncoder(model).encode(TEXTS)[0].vector))


@pytest.mark.parametrize("arguments", [(), ("--words",), ("--json",), ("--words", "the")])
def test_n_grams_are_refused_in_one_line_that_says_what_has_vectors(call, counted, arguments):
    finished = call("embed", "-m", counted, *arguments, *(() if "--words" in arguments else ("the",)))

    assert (finished.code, finished.out, finished.err.count("\n")) == (2, "", 1)
    assert "a model of the family ngram has no " in finished.err
    assert "; models that have some: networks (lstm, " in finished.err


def test_texts_are_given_once(call, bundle):
    finished = call("embed", "-m", bundle, "-f", "texts.txt", "the")

    assert (finished.code, finished.err) == (2, "lmctl: TEXT and -f both give sentences; use one of them\n")
