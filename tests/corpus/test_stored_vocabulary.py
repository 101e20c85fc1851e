"""A vocabulary that is looked up in the bytes of its file, compared with one that has a string for each word."""

import sys

import pytest

from lmctl.corpus.stored_vocabulary import FEW, StoredVocabulary, open_vocabulary
from lmctl.corpus.vocabulary import Vocabulary
from lmctl.errors import DataError

START = b"<unk>\t3\n</s>\t2\n"
WORDS = ("<unk>", "</s>", "the", "he", "a", "7", "猫", "e\u0301", "\u200b", "<s>", "thee")


def content_of(*words):
    return "".join(f"{word}\t{number}\n" for number, word in enumerate(words, start=1)).encode()


@pytest.fixture
def path(tmp_path):
    return tmp_path / "vocabulary.tsv"


def test_it_has_the_ids_and_words_of_a_vocabulary_in_memory(path):
    stored, whole = open_vocabulary(content_of(*WORDS), path), Vocabulary(WORDS, range(1, 12))
    tokens = [*WORDS, "th", "the\t3", "the\t3\nhe", "", "1", "\ud800", "Cat", " the"]

    assert isinstance(stored, StoredVocabulary)
    assert stored.encode(tokens) == [0, 0, *range(2, 11), *[0] * 8] == whole.encode(tokens)
    assert stored.decode(range(11)) == list(WORDS) == whole.decode(range(11))
    assert len(stored) == 11
    assert stored == whole
    assert stored.to_tsv() == whole.to_tsv()


def test_after_many_words_it_gives_the_same_ids(path):
    stored = open_vocabulary(content_of(*WORDS), path)

    assert [stored.encode(["he"]) for _ in range(FEW + 2)] == [[3]] * (FEW + 2)


@pytest.mark.parametrize("space", [chr(code) for code in range(sys.maxunicode + 1) if chr(code).isspace()])
def test_white_space_in_a_word_is_refused_as_by_a_vocabulary_in_memory(path, space):
    content = START + f"a{space}b\t1\n".encode()
    with pytest.raises(DataError) as expected:
        Vocabulary.from_tsv_content(content, path)

    with pytest.raises(DataError) as caught:
        open_vocabulary(content, path)

    assert str(caught.value) == str(expected.value)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\n",
        b"\t\n",
        b"<unk>\t3\n",
        START[:-1],
        START + b"cat 3\n",
        START + b"cat\t\n",
        START + b"\t3\n",
        START + b"cat\t3\t4\n",
        START + b"cat\t-3\n",
        START + b"cat\t1.5\n",
        START + "cat\t３\n".encode(),
        START + b"cat\t" + b"1" * 19 + b"\n",
        START + b"c" * 40_000 + b"\t1\n",
        START + b"ca\xff\t3\n",
        START + b"cat\t3\n\n",
        START + b"cat\t3\r\n",
        b"</s>\t1\n<unk>\t0\n",
        b"cat\t1\n" + START,
    ],
)
def test_a_damaged_file_is_refused_as_by_a_vocabulary_in_memory(path, content):
    with pytest.raises(DataError) as expected:
        Vocabulary.from_tsv_content(content, path)

    with pytest.raises(DataError) as caught:
        open_vocabulary(content, path)

    assert str(caught.value) == str(expected.value)


def test_a_word_that_occurs_twice_is_refused_as_soon_as_all_words_are_needed(path):
    stored = open_vocabulary(START + b"cat\t3\ncat\t3\n", path)

    with pytest.raises(DataError, match="a vocabulary has every word once"):
        stored.words  # noqa: B018
