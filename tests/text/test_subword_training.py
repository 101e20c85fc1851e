import pytest
import sentencepiece  # noqa: TID253

from lmctl.errors import DataError, UsageError
from lmctl.text.subword_training import LineSample, train_subwords

LINES = [f"the {animal} sat on the {place}" for animal in ("cat", "dog", "hen") for place in ("mat", "log", "bed")]


def pieces_of(model):
    processor = sentencepiece.SentencePieceProcessor(model_proto=model)
    return [processor.id_to_piece(number) for number in range(processor.get_piece_size())]


def sampled(lines, most):
    sample = LineSample(most)
    for line in lines:
        sample.add(line)
    return list(sample)


def test_a_small_text_is_sampled_whole():
    assert sampled(LINES, 1000) == LINES


def test_the_sample_of_a_large_text_is_bounded_and_its_lines_are_chosen_by_their_content():
    lines = [f"line {number}" for number in range(2000)]
    found = sampled(lines, 5000)
    assert 2000 < sum(map(len, found)) <= 5000
    assert set(sampled(reversed(lines), 5000)) == set(found)


def test_copies_of_a_line_stay_together():
    lines = [f"line {number % 100}" for number in range(2000)]
    found = sampled(lines, 5000)
    assert {found.count(line) for line in set(found)} == {20}


@pytest.mark.parametrize("lines", ["eai", "iea", "eiae"])
def test_of_lines_of_which_one_fits_the_one_with_the_lowest_hash_is_sampled(lines):
    # CRC-32 (zlib): i 0xE66C3671, a 0xE8B7BE43, e 0xEFDA7A5A, all in the highest quarter.
    assert sampled(lines, 1) == ["i"]
    # d 0x98DD4ACC.
    assert sampled([*lines, "d"], 1) == ["d"]


def test_of_a_line_that_is_the_whole_text_as_many_copies_are_sampled_as_fit():
    assert sampled(["abc"] * 10, 10) == ["abc"] * 3
    assert sampled(["abcdef"] * 3, 5) == ["abcdef"]


def test_byte_pair_encoding_joins_the_most_frequent_pair_first():
    # After <unk>, <s> and </s>: "h" and "e" stand together 18 times, more often than any other pair of characters
    # but "▁" and "t", which comes 18 times, too.
    found = pieces_of(train_subwords(LINES, 30, "bpe"))
    assert found[:3] == ["<unk>", "<s>", "</s>"]
    assert "▁the" in found[3:7]


@pytest.mark.parametrize("algorithm", ["unigram", "bpe"])
def test_the_same_text_gives_the_same_pieces(algorithm):
    assert train_subwords(LINES, 30, algorithm) == train_subwords(LINES, 30, algorithm)


@pytest.mark.parametrize("algorithm", ["unigram", "bpe"])
def test_a_text_with_fewer_pieces_gives_what_it_has(algorithm):
    found = pieces_of(train_subwords(["ab"], 8000, algorithm))
    assert set(found) >= {"a", "b", "▁"}
    assert len(found) < 10


def test_a_line_that_sentencepiece_would_leave_out_is_cut():
    # It leaves out lines of more than 4,192 bytes.
    assert "c" in pieces_of(train_subwords(["ab " * 2000 + "c" * 5000], 30, "bpe"))


def test_reserved_words_are_no_pieces():
    found = pieces_of(train_subwords(["a <unk> b </s>"] * 5, 60, "bpe"))
    assert not any(mark in piece for piece in found[3:] for mark in "<>/")


def test_fewer_pieces_than_characters_are_refused():
    with pytest.raises(
        UsageError, match=r"^text\.subwords: 10 pieces are too few; the characters .* set a larger"
    ):
        train_subwords(["abcdefghijklmnopq"], 10, "unigram")


@pytest.mark.parametrize("lines", [[], ["", " "], ["<unk> </s>"]])
def test_a_text_without_words_is_refused(lines):
    with pytest.raises(DataError, match="the text has no words"):
        train_subwords(lines, 100, "unigram")
