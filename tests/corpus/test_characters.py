import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lmctl.corpus.characters import ALPHABET_SIZE, CharacterUnigram
from lmctl.errors import DataError

CHARACTERS = st.characters(exclude_categories=["Cs"])


def test_the_alphabet_is_every_scalar_value_and_the_end():
    # Unicode has 17 planes of 65,536 code points, of which 2,048 are surrogates.
    assert ALPHABET_SIZE == 17 * 65_536 - 2_048 + 1


def test_characters_count_as_often_as_their_word_stands():
    unigram = CharacterUnigram.of_words([("aab", 3), ("b", 2)])

    assert unigram.counts == {"a": 6, "b": 5}
    assert unigram.words == 5


@pytest.mark.parametrize(
    ("word", "numerators"),
    [
        ("", [6]),
        ("a", [7, 6]),
        ("abba", [7, 6, 6, 7, 6]),
        ("z", [1, 6]),
        ("猫b", [1, 6, 6]),
    ],
)
def test_spelling_costs_the_characters_and_an_end_with_one_added_to_each_count(word, numerators):
    # a: 6 + 1, b: 5 + 1, end: 5 + 1, any other: 0 + 1; of 6 + 5 + 5 that were counted, and one a symbol.
    total = 16 + ALPHABET_SIZE
    expected = -sum(math.log2(numerator / total) for numerator in numerators)

    assert CharacterUnigram({"a": 6, "b": 5}, 5).spelling_bits(word) == pytest.approx(expected, rel=1e-12)


def test_without_any_text_every_symbol_costs_the_same():
    bits = CharacterUnigram({}, 0).spelling_bits("abc")

    assert bits == pytest.approx(4 * math.log2(1_112_065), rel=1e-12)


@given(st.dictionaries(CHARACTERS, st.integers(1, 10**6), max_size=20), st.integers(0, 10**6))
def test_probabilities_sum_to_one(counts, words):
    unigram = CharacterUnigram(counts, words)
    end = 2 ** -unigram.spelling_bits("")
    one_of_each = sum(2 ** -(unigram.spelling_bits(character) - unigram.spelling_bits("")) for character in counts)
    unseen = next(character for character in map(chr, range(0x110000)) if character not in counts)
    each_unseen = 2 ** -(unigram.spelling_bits(unseen) - unigram.spelling_bits(""))

    assert end + one_of_each + (ALPHABET_SIZE - 1 - len(counts)) * each_unseen == pytest.approx(1, rel=1e-9)


def test_tsv_has_the_ends_first_and_code_points_rising(tmp_path):
    unigram = CharacterUnigram({"猫": 2, "a": 6, "\t": 1}, 5)
    path = tmp_path / "characters.tsv"
    path.write_text(unigram.to_tsv(), encoding="utf-8")

    assert path.read_text() == "end\t5\n9\t1\n97\t6\n29483\t2\n"
    again = CharacterUnigram.from_tsv(path)
    assert (again.counts, again.words) == (unigram.counts, unigram.words)
    assert again.spelling_bits("a猫?") == unigram.spelling_bits("a猫?")


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"97\t6\n",
        b"end\n",
        b"end\tmany\n",
        b"end\t5\n97\n",
        b"end\t5\n97\t6\t7\n",
        b"end\t5\n\n97\t6\n",
        b"end\t5\na\t6\n",
        b"end\t5\n97\tsix\n",
        b"end\t5\n55296\t6\n",
        b"end\t5\n57343\t6\n",
        b"end\t5\n1114112\t6\n",
        b"end\t5\n-1\t6\n",
        b"end\t5\n99999999999999999999\t6\n",
        b"end\t5\n97\t\xff\n",
        b"\x00\x80",
    ],
)
def test_a_damaged_file_is_refused_by_name(tmp_path, content):
    path = tmp_path / "characters.tsv"
    path.write_bytes(content)

    with pytest.raises(DataError) as caught:
        CharacterUnigram.from_tsv(path)

    assert str(caught.value).startswith(f"{path}: ")
    assert "\n" not in str(caught.value)
