"""Blank lines of a corpus: dropped, or kept as empty sentences."""

import pytest
from streams_of_ids import sentences

from lmctl.corpus import preparation
from lmctl.corpus.counts import SplitCounts


@pytest.fixture
def hold_out_however_little(monkeypatch):
    monkeypatch.setattr(preparation, "FEWEST_VALID_WORDS", 0)


@pytest.mark.parametrize(
    ("blank_lines", "expected", "counts"),
    [
        ("drop", ["a", "b"], SplitCounts(sentences=2, words=2, characters=4)),
        ("keep", ["", "a", "", "", "b", ""], SplitCounts(sentences=6, words=2, characters=10)),
    ],
)
def test_blank_lines_are_dropped_or_kept(tmp_path, prepare, blank_lines, expected, counts):
    # Six lines, one of two blanks: 0, 1, 0, 2, 1 and 0 characters and six line ends.
    corpus = prepare(tmp_path, "\na\n\n  \nb\n\n", blank_lines=blank_lines)

    assert sentences(corpus, corpus.train) == expected
    assert corpus.record.train == counts
    assert corpus.vocabulary.counts[1] == counts.sentences


def test_a_line_of_stop_words_is_a_blank_line(tmp_path, prepare):
    corpus = prepare(tmp_path, "the\na the b\n", stop_words=["the"])

    assert sentences(corpus, corpus.train) == ["a b"]


# At 0.25, "abc" validates (CRC-32 0x352441C2 is 0.208 of the range) and "a" does not (0xE8B7BE43, 0.909).
@pytest.mark.parametrize(
    "texts",
    [
        ("\na\n\nabc\n\n \nabc\n\na\na\n\n",),
        ("\na\n\nabc\n", "\n \nabc\n\na\na\n\n"),
        ("\na\n\nabc\n", "\n", " \n", "abc\n", "\na\n", "a\n\n"),
        ("\n", "a\n", "\n", "abc\n", "\n", " \n", "abc\n", "\n", "a\n", "a\n", "\n"),
    ],
)
@pytest.mark.usefixtures("hold_out_however_little")
def test_a_blank_line_has_the_split_of_the_line_before_it_also_across_chunks(tmp_path, prepare, texts):
    corpus = prepare(tmp_path, *texts, "a\n", blank_lines="keep", fraction=0.25, words=("a", "abc"))

    assert sentences(corpus, corpus.train) == ["", "a", "", "a", "a", "", "a"]
    assert sentences(corpus, corpus.valid) == ["abc", "", "", "abc", ""]
    assert corpus.record.train == SplitCounts(sentences=7, words=4, characters=3 + 4 * 2)
    assert corpus.record.valid == SplitCounts(sentences=5, words=2, characters=2 * 4 + 1 + 2 + 1)


@pytest.mark.parametrize("text", ["<s> a </s>\n<s> </s>", "<s> a </s>\n<s> </s>\n", "a\n\n"])
def test_a_blank_line_may_lack_its_end(tmp_path, prepare, text):
    corpus = prepare(tmp_path, text, blank_lines="keep", strip_tags=True)

    assert sentences(corpus, corpus.train) == ["a", ""]
