"""The units that resamples are drawn from, and the groups that tokens are put into, on texts of a few tokens."""

from __future__ import annotations

import numpy as np
import pytest

from lmctl.errors import DataError
from lmctl.query.common_pieces import TextSource, common_borders
from lmctl.query.comparison import _check_same_lines
from lmctl.query.group_differences import sums_of_units
from lmctl.query.groups import Grouping, Traits, groupings
from lmctl.query.largest_differences import _largest
from lmctl.query.scored_text import ScoredText
from lmctl.query.units import unit_of_sentences
from lmctl.text.alignment import LocatedToken


def text_of(lines, words):
    """A text whose sentences stand in these lines and have so many words."""
    ends = np.cumsum(np.array(words) + 1)
    tokens = np.zeros(ends[-1])
    characters = np.ones(len(lines), dtype=np.int64)
    ids = tokens.astype(np.int64)
    return ScoredText(np.array(lines), ends, characters, ids, ids, tokens, tokens)


@pytest.mark.parametrize(
    ("unit", "expected"),
    [("line", [0, 1, 2, 3, 4]), (2, [0, 0, 1, 1, 2]), (5, [0] * 5), ("document", [0, 0, 1, 2, 2])],
)
def test_units_of_a_text_whose_blank_lines_are_left_out(unit, expected):
    # Lines 3 and 5 are blank.
    assert unit_of_sentences(text_of([1, 2, 4, 6, 7], [3] * 5), unit).tolist() == expected


def test_a_blank_line_that_is_scored_belongs_to_the_document_before_it():
    found = unit_of_sentences(text_of([1, 2, 3, 4, 5, 6], [0, 3, 3, 0, 0, 3]), "document")

    assert found.tolist() == [0, 0, 0, 0, 0, 1]


def test_every_token_is_in_the_group_of_its_count_and_place():
    traits = Traits(
        counts=np.array([0, 1, 9, 10, 9_999, 10_000, 70, 70]),
        is_oov=np.array([False] * 6 + [True, False]),
        is_end=np.array([False] * 7 + [True]),
        positions=np.array([1, 2, 3, 4, 5, 64, 65, 1000]),
        lengths=np.array([1, 2, 3, 4, 9, 5, 1, 0]),
        ngrams=np.array([1, 1, 2, 3, 3, 1, 1, 2]),
    )

    found = {grouping.by: [grouping.names[place] for place in grouping.group] for grouping in groupings(traits)}

    assert found == {
        "frequency": ["0", "1", "2-9", "10-99", "1000-9999", "10000-", "oov", "</s>"],
        "position": ["1", "2", "3-4", "3-4", "5-8", "33-64", "65-", "65-"],
        "frequency_length": [
            *("0-9 x 1", "0-9 x 2", "0-9 x 3-4", "10-999 x 3-4", "1000- x 9-", "1000- x 5-8", "oov x 1", "</s>"),
        ],
        "ngram_length": ["1", "1", "2", "3", "3", "1", "1", "2"],
    }


def test_without_counts_and_n_grams_tokens_are_grouped_by_position_alone():
    none = np.zeros(2, dtype=bool)
    traits = Traits(None, none, none, np.array([1, 2]), np.array([1, 1]), None)

    assert [grouping.by for grouping in groupings(traits)] == ["position"]


def tokens(*places):
    return [LocatedToken("", start, end) for start, end in places]


@pytest.mark.parametrize(
    ("one", "other", "borders"),
    [
        # `the cat` as words, and as characters.
        (((0, 3), (4, 7)), ((0, 1), (1, 2), (2, 3), (4, 5), (5, 6), (6, 7)), [(1, 3), (2, 6)]),
        # abcd as ab cd, and as a bc d: no border in common but the last.
        (((0, 2), (2, 4)), ((0, 1), (1, 3), (3, 4)), [(2, 3)]),
        # A token without characters belongs to the one on its right; at the end, to the one before.
        (((0, 1), (1, 1), (1, 2)), ((0, 1), (1, 2)), [(1, 1), (3, 2)]),
        (((0, 1), (1, 2), (2, 2)), ((0, 1), (1, 2)), [(1, 1), (3, 2)]),
        # Two tokens that both reach over a character and its mark are not divided.
        (((0, 2), (0, 2), (2, 3)), ((0, 2), (2, 3)), [(2, 1), (3, 2)]),
        # The last token of one model ends before that of the other.
        (((0, 1), (1, 2)), ((0, 1), (1, 3)), [(1, 1), (2, 2)]),
        # A line of which one model has no token.
        ((), ((0, 1),), []),
    ],
)
def test_pieces_end_where_both_models_have_the_end_of_a_token(one, other, borders):
    assert common_borders([tokens(*one), tokens(*other)]) == borders
    assert common_borders([tokens(*other), tokens(*one)]) == [pair[::-1] for pair in borders]


def test_the_sums_of_a_unit_are_the_pieces_and_the_bits_of_each_group():
    # The last unit is one piece long.
    grouping = Grouping("position", ["1", "2"], np.array([0, 1, 1, 0]))
    bits = np.array([[1.0, 2.0, 4.0, 8.0], [3.0, 5.0, 7.0, 9.0]])

    found = sums_of_units([grouping], bits, np.array([0, 0, 0, 1]))

    assert found.tolist() == [[1, 2, 1, 6, 3, 12], [1, 0, 8, 0, 9, 0]]


def test_the_largest_differences_are_in_order_and_may_be_small():
    own, of_baseline = np.array([1.0, 2.5, 3.0, 4.0, np.inf]), np.array([1.0, 2.0, 3.5, 2.0, np.inf])

    assert _largest(own, of_baseline, 9).tolist() == [3, 1, 2]


@pytest.mark.parametrize(
    ("lines", "having", "without"),
    [([1, 2, 3, 4], "other", "one"), ([1, 4], "one", "other"), ([1, 2, 4], None, None)],
)
def test_a_line_that_has_words_for_one_model_alone_is_refused_with_their_names(lines, having, without):
    texts = [text_of([1, 2, 4], [3] * 3), text_of(lines, [3] * len(lines))]
    if having is None:
        _check_same_lines(["one", "other"], texts, TextSource("text.txt"))
        return

    line = 3 if having == "other" else 2
    with pytest.raises(
        DataError, match=f"^text.txt: line {line}: has words for {having}, and none for {without}; "
    ):
        _check_same_lines(["one", "other"], texts, TextSource("text.txt"))
