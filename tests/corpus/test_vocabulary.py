import itertools

import pytest

from lmctl.corpus.vocabulary import Vocabulary, choose_vocabulary
from lmctl.errors import DataError


def choose(counts, *, size=None, min_count=1):
    return choose_vocabulary(counts, size=size, min_count=min_count)


def test_words_stand_by_falling_count_and_ties_in_code_point_order():
    # U+0042 B, U+0061 a, U+00E9 é, U+4EBA 人, U+1F600
    counts = [("😀", 2), ("人", 2), ("é", 2), ("a", 2), ("B", 2), ("most", 9), ("least", 1)]

    assert [word for word, _ in choose(counts)] == ["most", "B", "a", "é", "人", "😀", "least"]


@pytest.mark.parametrize("size", [None, 4, 100])
def test_the_order_in_which_words_come_does_not_matter(size):
    counts = [("a", 3), ("b", 3), ("c", 2), ("d", 2), ("e", 1)]

    for order in itertools.permutations(counts):
        assert choose(order, size=size) == counts[: None if size is None else size - 2]


@pytest.mark.parametrize(
    ("size", "words"),
    [(3, ["a"]), (4, ["a", "b"]), (5, ["a", "b", "c"]), (6, ["a", "b", "c"]), (None, ["a", "b", "c"])],
)
def test_the_size_counts_the_two_specials(size, words):
    assert [word for word, _ in choose([("c", 1), ("b", 2), ("a", 3)], size=size)] == words


@pytest.mark.parametrize(("min_count", "words"), [(1, ["a", "b", "c"]), (2, ["a", "b"]), (3, ["a"]), (4, [])])
def test_rarer_words_than_min_count_are_left_out(min_count, words):
    assert [word for word, _ in choose([("a", 3), ("b", 2), ("c", 1)], min_count=min_count)] == words


def test_a_word_that_never_stood_is_left_out():
    assert choose([("a", 1), ("b", 0)]) == [("a", 1)]


def test_literal_specials_are_never_chosen():
    assert choose([("<unk>", 9), ("</s>", 9), ("<s>", 9), ("a", 1)]) == [("a", 1)]


@pytest.fixture
def vocabulary():
    return Vocabulary(("<unk>", "</s>", "cat", "猫"), (3, 2, 7, 5))


def test_the_specials_are_id_0_and_1(vocabulary):
    assert vocabulary.decode([0, 1, 2, 3]) == ["<unk>", "</s>", "cat", "猫"]
    assert len(vocabulary) == 4


@pytest.mark.parametrize(
    ("token", "token_id"), [("cat", 2), ("猫", 3), ("dog", 0), ("<unk>", 0), ("</s>", 0), ("<s>", 0), ("Cat", 0)]
)
def test_a_word_outside_the_vocabulary_is_unknown(vocabulary, token, token_id):
    assert vocabulary.encode([token]) == [token_id]


@pytest.mark.parametrize(
    ("words", "counts"),
    [
        (("</s>", "<unk>", "a"), (1, 1, 1)),
        (("a", "b"), (1, 1)),
        ((), ()),
        (("<unk>", "</s>", "a", "a"), (1, 1, 1, 1)),
        (("<unk>", "</s>", "</s>"), (1, 1, 1)),
        (("<unk>", "</s>", "a"), (1, 1)),
        (("<unk>", "</s>", ""), (1, 1, 1)),
        (("<unk>", "</s>", "a b"), (1, 1, 1)),
        (("<unk>", "</s>", "a\u3000"), (1, 1, 1)),
        (("<unk>", "</s>", "a\n"), (1, 1, 1)),
    ],
)
def test_an_invalid_vocabulary_is_refused(words, counts):
    with pytest.raises(DataError, match="a vocabulary"):
        Vocabulary(words, counts)


def test_tsv_has_word_and_count_on_the_line_of_its_id(vocabulary, tmp_path):
    path = tmp_path / "vocabulary.tsv"
    path.write_text(vocabulary.to_tsv(), encoding="utf-8")

    assert path.read_bytes() == "<unk>\t3\n</s>\t2\ncat\t7\n猫\t5\n".encode()
    assert Vocabulary.from_tsv(path) == vocabulary
    assert Vocabulary.from_tsv(path).encode(["猫", "</s>"]) == [3, 0]


def test_counts_make_vocabularies_different(vocabulary):
    assert vocabulary != Vocabulary(vocabulary.words, (3, 2, 7, 6))


@pytest.mark.parametrize("word", ["\u2019", "a\u200bb", "\ufeff", "e\u0301", '"', "\\"])
def test_unusual_words_survive_the_round_trip(tmp_path, word):
    path = tmp_path / "vocabulary.tsv"
    path.write_bytes(Vocabulary(("<unk>", "</s>", word), (0, 1, 1)).to_tsv().encode())

    assert Vocabulary.from_tsv(path).words[2] == word


@pytest.mark.parametrize(
    ("content", "place"),
    [
        (b"<unk>\t0\n</s>\t1\ncat 3\n", ", line 3: "),
        (b"<unk>\t0\n</s>\t1\ncat\t\n", ", line 3: "),
        (b"<unk>\t0\n</s>\t1\n\t3\n", ", line 3: "),
        (b"<unk>\t0\n</s>\tmany\ncat\t3\n", ", line 2: "),
        (b"<unk>\t0\n</s>\t-1\ncat\t3\n", ", line 2: "),
        (b"<unk>\t0\n</s>\t1.5\ncat\t3\n", ", line 2: "),
        (b"<unk>\t0\n</s>\t1\ncat\t3\t4\n", ", line 3: "),
        ("<unk>\t0\n</s>\t1\ncat\t３\n".encode(), ", line 3: "),
        (b"<unk>\t0\r\n</s>\t1\r\n", ", line 1: "),
        (b"<unk>\t0\n\n</s>\t1\n", ", line 2: "),
        (b"<unk>\t0\n</s>\t1\ncat\t3", ": cut off"),
        (b"<unk>\t0\n</s>\t1\nca\xff\t3\n", ": byte 17 is not valid UTF-8"),
        (b"", ": empty"),
        (b"</s>\t1\n<unk>\t0\n", ": a vocabulary starts with"),
        (b"<unk>\t0\n</s>\t1\ncat\t3\ncat\t3\n", ": a vocabulary has every word once"),
        (b"<unk>\t0\n</s>\t1\nthe cat\t3\n", ": a vocabulary has no word that"),
    ],
)
def test_a_damaged_file_is_refused_by_name_and_place(tmp_path, content, place):
    path = tmp_path / "vocabulary.tsv"
    path.write_bytes(content)

    with pytest.raises(DataError) as caught:
        Vocabulary.from_tsv(path)

    assert str(caught.value).startswith(f"{path}{place}")
    assert "\n" not in str(caught.value)
