from pathlib import Path

import numpy as np
import pytest

from lmctl.errors import DataError, UsageError
from lmctl.families.ngram import columns, counts
from lmctl.families.ngram.estimation import estimate
from lmctl.families.ngram.tables import open_tables

CORPUS = Path(__file__).parents[3] / "corpora/en.txt"


@pytest.mark.parametrize("at_once", [17, 300])
@pytest.mark.parametrize(("smoothing", "quantize"), [("kneser-ney", 8), ("kneser-ney", 32), ("mle", 32)])
@pytest.mark.parametrize("pruning", [(), (0, 0, 1)])
def test_tables_are_the_same_bytes_however_little_fits_in_memory(
    tmp_path, monkeypatch, estimate_text, smoothing, quantize, pruning, at_once
):
    text = "".join(CORPUS.read_text(encoding="utf-8").splitlines(keepends=True)[:60])
    at_a_time, in_parts = tmp_path / "whole", tmp_path / "parts"
    at_a_time.mkdir()
    in_parts.mkdir()
    _, whole = estimate_text(
        text, folder=at_a_time, order=4, smoothing=smoothing, pruning=pruning, quantize=quantize
    )

    monkeypatch.setattr(columns, "VALUES_AT_ONCE", at_once)
    _, parts = estimate_text(
        text, folder=in_parts, order=4, smoothing=smoothing, pruning=pruning, quantize=quantize
    )

    assert parts.sizes == whole.sizes
    assert {path.name for path in in_parts.iterdir()} == set(whole.sizes.table_names())
    for name in whole.sizes.table_names():
        assert (in_parts / name).read_bytes() == (at_a_time / name).read_bytes(), name


@pytest.mark.parametrize(("smoothing", "quantize"), [("kneser-ney", 8), ("kneser-ney", 32), ("mle", 32)])
def test_tables_are_the_same_bytes_with_the_wide_counts_of_huge_texts(
    tmp_path, monkeypatch, estimate_text, smoothing, quantize
):
    # From 2^32 - 1 tokens on, counts and places have 64 bits.
    text = "".join(CORPUS.read_text(encoding="utf-8").splitlines(keepends=True)[:60])
    narrow, wide = tmp_path / "narrow", tmp_path / "wide"
    narrow.mkdir()
    wide.mkdir()
    monkeypatch.setattr(columns, "VALUES_AT_ONCE", 300)
    settings = {"order": 4, "smoothing": smoothing, "pruning": (0, 0, 1), "quantize": quantize}
    _, expected = estimate_text(text, folder=narrow, **settings)

    monkeypatch.setattr(counts, "index_dtype", lambda _most: np.dtype(np.uint64))
    _, tables = estimate_text(text, folder=wide, **settings)

    assert tables.sizes == expected.sizes
    for name in expected.sizes.table_names():
        assert (wide / name).read_bytes() == (narrow / name).read_bytes(), name


def test_pruned_contexts_take_their_continuations_with_them(estimate_text):
    # Bigrams: a b 3, </s> a 3, b </s> 2, b c 1, c </s> 1; trigrams that stand twice and more: </s> a b, a b </s>.
    vocabulary, tables = estimate_text("a b\na b\na b c\n", order=3, smoothing="mle", pruning=(0, 1))

    names = [" ".join(vocabulary.decode(row)) for row in tables.words(3, np.arange(2)).tolist()]
    assert tables.sizes.ngrams == [5, 3, 2]
    assert names == ["</s> a b", "a b </s>"]


def test_a_word_of_the_vocabulary_that_is_not_in_the_text_has_its_uniform_share(tmp_path):
    # The text is 3 </s>, order 1: <unk> and 2 have a count of 0, </s> and 3 of 1. The counts of counts are
    # degenerate: each of the two leaves 1/2 of 2 tokens, so the four share 1/2.
    sizes = estimate(np.array([3, 1]), 4, tmp_path, order=1, smoothing="kneser-ney")

    assert np.exp(open_tables(tmp_path, sizes).log_probs[1]).tolist() == pytest.approx(
        [0.125, 0.375, 0.125, 0.375]
    )


@pytest.mark.parametrize("pruning", [(1,), (0, 2, 1), (0, 0, 0, 0), (-1, 0)])
def test_pruning_that_no_model_can_have_is_refused(tmp_path, pruning):
    with pytest.raises(UsageError, match="expected at most 3 counts that do not fall, the first of them 0"):
        estimate(np.array([2, 1]), 3, tmp_path, order=3, smoothing="mle", pruning=pruning)


def test_no_text_is_refused(tmp_path):
    with pytest.raises(DataError, match="no text"):
        estimate(np.array([], dtype=np.uint16), 3, tmp_path, order=2, smoothing="mle")


def test_nothing_is_left_in_the_scratch_folder(tmp_path):
    scratch, folder = tmp_path / "scratch", tmp_path / "tables"
    scratch.mkdir()
    folder.mkdir()

    estimate(np.array([2, 3, 1]), 4, folder, order=3, smoothing="kneser-ney", scratch=scratch)

    assert list(scratch.iterdir()) == []
