import pickle
import resource
import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lmctl.errors import DataError
from lmctl.families.ngram.keys import ABSENT
from lmctl.families.ngram.packing import write_continuations
from lmctl.families.ngram.sizes import NgramSizes, table_name
from lmctl.families.ngram.tables import open_tables

# Words 2 and 3 of a vocabulary of 4, so words have two bits of a key: after </s> comes 2, after 2 come </s> and 3,
# and after 3 comes </s>; of order 3 there are </s> 2 3 and 2 3 </s>.
KEYS = {2: [1 << 2 | 2, 2 << 2 | 1, 2 << 2 | 3, 3 << 2 | 1], 3: [0 << 2 | 3, 2 << 2 | 1]}
NGRAMS = [4, 4, 2]
SIZES = NgramSizes(vocabulary_size=4, smoothing="arpa", quantize=32, ngrams=NGRAMS)


def write_keys(folder, order, keys):
    write_continuations(folder, order, [np.array(keys, dtype=np.uint64)], NGRAMS[order - 2], 4, folder)


def write_tables(folder):
    for order, ngrams in enumerate(NGRAMS, start=1):
        if order > 1:
            write_keys(folder, order, KEYS[order])
        np.save(folder / table_name(order, "log_probs"), -np.arange(ngrams, dtype=np.float32))
        if order < 3:
            np.save(folder / table_name(order, "backoffs"), np.full(ngrams, 0.5, dtype=np.float32))
    return folder


@pytest.fixture
def sizes():
    return SIZES


@pytest.fixture
def folder(tmp_path):
    return write_tables(tmp_path)


def test_sizes_name_their_files(sizes, folder):
    assert sorted(sizes.table_names()) == sorted(path.name for path in folder.iterdir())
    assert sizes.order == 3


def test_ngrams_are_found_by_context_and_last_word(folder, sizes):
    tables = open_tables(folder, sizes)

    contexts, words = np.array([[2, 1, 3], [2, 2, ABSENT]]), np.array([[3, 2, 1], [0, 1, 1]])

    assert tables.find(2, contexts, words).tolist() == [[2, 0, 3], [ABSENT, 1, ABSENT]]
    assert tables.find(3, np.array([2, 0, 3]), np.array([1, 3, 3])).tolist() == [1, 0, ABSENT]


def test_continuations_of_a_context_stand_side_by_side(folder, sizes):
    tables = open_tables(folder, sizes)

    first, stop = tables.continuations(2, np.array([2, 0, ABSENT, 3]))

    assert list(zip(first.tolist(), stop.tolist(), strict=True))[0::3] == [(1, 3), (3, 4)]
    assert (stop - first).tolist() == [2, 0, 0, 1]
    assert tables.last_words(2, np.arange(1, 3)).tolist() == [1, 3]


def test_places_are_spelled_in_words(folder, sizes):
    tables = open_tables(folder, sizes)

    assert tables.words(3, np.array([0, 1])).tolist() == [[1, 2, 3], [2, 3, 1]]
    assert tables.words(1, np.array([3])).tolist() == [[3]]


def test_an_order_without_ngrams_is_empty(tmp_path):
    write_tables(tmp_path)
    write_keys(tmp_path, 3, [])
    np.save(tmp_path / table_name(3, "log_probs"), np.empty(0, dtype=np.float32))

    tables = open_tables(tmp_path, NgramSizes(vocabulary_size=4, smoothing="arpa", quantize=32, ngrams=[4, 4, 0]))

    assert tables.find(3, np.array([0, 1]), np.array([1, 1])).tolist() == [ABSENT, ABSENT]


DAMAGED = {
    "too long": (
        (2, "words"),
        np.array([2, 1, 3, 1, 1], dtype=np.uint8),
        r"the sizes in model.json want \S+ \(4,\)",
    ),
    "too short": ((1, "log_probs"), np.zeros(3, dtype=np.float32), r"the sizes in model.json want \S+ \(4,\)"),
    "another type": ((1, "log_probs"), np.zeros(4), r"<f8 \(4,\) in 160 bytes, but .* want <f4 \(4,\) in 144"),
    "signed words": ((2, "words"), np.array([2, 1, 3, 1], dtype=np.int8), r"\|i1 \(4,\)"),
    "another byte order": ((1, "log_probs"), np.zeros(4, dtype=">f4"), r">f4 \(4,\)"),
    "two dimensions": ((1, "backoffs"), np.zeros((2, 2), dtype=np.float32), r"<f4 \(2, 2\)"),
    "words that fall": (
        (2, "words"),
        np.array([2, 3, 1, 1], dtype=np.uint8),
        "the words of a context do not rise",
    ),
    "a word twice": ((2, "words"), np.array([2, 3, 3, 1], dtype=np.uint8), "the words of a context do not rise"),
    "a word that is none": ((2, "words"), np.array([2, 1, 4, 1], dtype=np.uint8), "a word of id 4, but there are"),
    "a positive log": ((2, "log_probs"), np.array([-1, 0.1, -1, -1], dtype=np.float32), "not 0 or less"),
    "a back-off beyond exp": (
        (1, "backoffs"),
        np.array([0, 0, 88, 0], dtype=np.float32),
        r"back-offs that add up to more than 10\^38",
    ),
    "not a number": ((3, "log_probs"), np.array([-1, np.nan], dtype=np.float32), "not 0 or less"),
    "an infinite back-off": ((1, "backoffs"), np.array([0, 0, np.inf, 0], dtype=np.float32), "not a number"),
    "a back-off that is none": ((2, "backoffs"), np.array([0, 0, np.nan, 0], dtype=np.float32), "not a number"),
}


@pytest.mark.parametrize("damage", DAMAGED)
def test_a_damaged_table_is_refused_by_name(folder, sizes, damage):
    table, values, message = DAMAGED[damage]
    np.save(folder / table_name(*table), values)

    with pytest.raises(DataError, match=message) as error:
        open_tables(folder, sizes)

    assert str(error.value).startswith(str(folder / table_name(*table)))


def test_a_word_that_is_not_in_the_vocabulary_is_refused(tmp_path):
    write_tables(tmp_path)
    for kind in ("log_probs", "backoffs"):
        np.save(tmp_path / table_name(1, kind), np.zeros(3, dtype=np.float32))
    write_continuations(tmp_path, 2, [np.array(KEYS[2][:3], dtype=np.uint64)], 3, 4, tmp_path)

    with pytest.raises(DataError, match="a word of id 3, but there are only 3"):
        open_tables(tmp_path, NgramSizes(vocabulary_size=3, smoothing="arpa", quantize=32, ngrams=[3, 3, 2]))


class Creates:
    """An object that makes a folder when it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return type(self.path).mkdir, (self.path,)


@pytest.mark.parametrize("content", ["nothing", "text", "cut off", "objects", "pickle", "archive"])
def test_a_file_that_is_no_table_is_refused_and_runs_no_code(folder, sizes, content):
    path = folder / table_name(2, "log_probs")
    match content:
        case "nothing":
            path.write_bytes(b"")
        case "text":
            path.write_bytes(b"-0.5\n" * 100)
        case "cut off":
            path.write_bytes(path.read_bytes()[:-1])
        case "objects":
            np.save(path, np.array([Creates(folder / "made")] * 4, dtype=object))
        case "pickle":
            path.write_bytes(pickle.dumps(Creates(folder / "made")))
        case "archive":
            with path.open("wb") as file:
                np.savez(file, np.zeros(4, dtype=np.float32))

    with pytest.raises(DataError, match=path.name):
        open_tables(folder, sizes)
    assert not (folder / "made").exists()


def test_a_table_that_claims_to_be_huge_takes_no_memory(folder, sizes):
    path = folder / table_name(2, "log_probs")
    with path.open("wb") as file:
        header = {"descr": "<f4", "fortran_order": False, "shape": (10**13,)}
        np.lib.format.write_array_header_1_0(file, header)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

    with pytest.raises(DataError, match="10000000000000"):
        open_tables(folder, sizes)

    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100_000


@pytest.mark.parametrize("how", ["missing", "a link"])
def test_a_table_that_is_no_file_of_the_folder_is_refused(folder, sizes, how, tmp_path_factory):
    path = folder / table_name(1, "backoffs")
    if how == "a link":
        path.rename(tmp_path_factory.mktemp("other") / path.name)
        path.symlink_to(tmp_path_factory.mktemp("other") / path.name)
    else:
        path.unlink()

    with pytest.raises(DataError, match=r"ngrams.1.backoffs.npy: expected a table of this model"):
        open_tables(folder, sizes)


@pytest.mark.parametrize(
    ("vocabulary_size", "ngrams"), [(4, []), (4, [5, 3]), (0, [0]), (4, [4, -1]), (1 << 33, [1 << 33, 1 << 33])]
)
def test_sizes_that_no_tables_have_are_refused(vocabulary_size, ngrams):
    with pytest.raises(ValueError, match="n-gram"):
        NgramSizes(vocabulary_size=vocabulary_size, smoothing="mle", quantize=32, ngrams=ngrams)


# The parts of contexts.npy of order 2, in bytes: two contexts have no or several n-grams, offsets have 2 bytes; a
# bit for each context; how many such contexts stand before each block and in all; n-grams before each of them:
# 0, 0, 2.
CONTEXTS_2 = [
    np.array([2, 2], dtype=np.uint64),
    np.array([0b0101], dtype=np.uint64),
    np.array([0, 2], dtype=np.uint32),
    np.array([0, 0], dtype=np.uint32),
    np.array([0, 0, 2, 0], dtype=np.uint16),
]


def test_contexts_are_stored_as_documented(folder):
    content = np.concatenate([part.view(np.uint8) for part in CONTEXTS_2])

    np.testing.assert_array_equal(np.load(folder / table_name(2, "contexts")), content)


@pytest.mark.parametrize(
    ("part", "values", "message"),
    [
        (0, [5, 2], "5 of 4 contexts"),
        (0, [2, 3], "offsets of 3 bytes"),
        (4, [0, 0, 2, 0, 0, 0, 0, 0], "56 bytes, expected 48"),
        (0, [4, 8], "it ends in an array of 5 values"),
        (1, [0b0110101], "its counts of contexts are wrong"),
        (1, [0b1000100], "a context past the last one"),
        (2, [1, 2], "its counts of contexts are wrong"),
        (4, [0, 3, 2, 0], "its places fall"),
        (4, [1, 1, 2, 0], "its places fall"),
        (4, [0, 0, 3, 0], "5 n-grams, expected 4"),
    ],
)
def test_contexts_that_do_not_fit_the_words_are_refused(folder, sizes, part, values, message):
    parts = list(CONTEXTS_2)
    parts[part] = np.array(values, dtype=parts[part].dtype)
    np.save(folder / table_name(2, "contexts"), np.concatenate([values.view(np.uint8) for values in parts]))

    with pytest.raises(DataError, match=message):
        open_tables(folder, sizes)


@settings(max_examples=300)
@given(
    name=st.sampled_from(SIZES.table_names()), at=st.integers(0, 200), instead=st.binary(min_size=1, max_size=8)
)
def test_damaged_bytes_are_refused_or_answer(name, at, instead):
    with tempfile.TemporaryDirectory() as folder:
        path = write_tables(Path(folder)) / name
        content = path.read_bytes()
        path.write_bytes(content[:at] + instead + content[at + len(instead) :])
        try:
            tables = open_tables(Path(folder), SIZES)
        except DataError as error:
            assert str(error).startswith(str(path))  # noqa: PT017 - what is damaged and what is not is not known here
            return

    places = tables.find(3, tables.find(2, np.arange(4), np.arange(4)), np.arange(4))
    assert ((places >= ABSENT) & (places < SIZES.ngrams[2])).all()
    assert tables.words(3, np.arange(2)).max() < SIZES.vocabulary_size
    first, stop = tables.continuations(2, np.arange(4))
    assert (first <= stop).all()
    assert stop.max() <= SIZES.ngrams[1]
