import math
from pathlib import Path

import numpy as np
import pytest

from lmctl.families.ngram.maximum_likelihood import shares

FOUR_SENTENCES = "我 爱 编程 。\n编程 是 一种 艺术 。\n艺术 是 人类 创造 的 。\n创造 是 人类 的 天赋 。\n"
CORPUS = Path(__file__).parents[3] / "corpora/four-sentences.txt"


def test_the_four_sentences_are_those_of_the_corpus():
    assert FOUR_SENTENCES.replace(" ", "") == CORPUS.read_text(encoding="utf-8")


def test_a_word_that_follows_half_of_the_time_has_a_probability_of_one_half(estimate_text, entries):
    # 编程 occurs twice: before 。 and before 是.
    vocabulary, tables = estimate_text(FOUR_SENTENCES, order=2, smoothing="mle")

    (place,) = tables.find(2, *(np.array([token]) for token in vocabulary.encode(["编程", "是"])))
    assert math.exp(tables.log_probs[2][place]) == pytest.approx(1 / 2, abs=1e-7)
    assert tables.log_probs[2][place] == np.float32(math.log(0.5))
    # A sentence starts with 我, 编程, 艺术 or 创造, once each; 4 of 25 tokens are ends.
    found = entries(vocabulary, tables)
    assert found["<s> 我"][0] == pytest.approx(math.log10(1 / 4))
    assert found["</s>"][0] == pytest.approx(math.log10(4 / 25))


def test_shares_are_relative_frequencies_of_the_ngrams_that_are_kept():
    own, left = shares(
        np.array([1, 3, 2, 6, 1], dtype=np.uint32), np.array([True, True, False, True, False]), np.array([0, 2, 4])
    )

    assert own.tolist() == [1 / 4, 3 / 4, 0, 1, 0]
    # After the last context, all n-grams are pruned, so it backs off with probability 1.
    assert left.tolist() == [0, 0, 1]
