import pickle
import resource
import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lmctl.errors import DataError
from lmctl.families.ngram.sizes import NgramSizes, table_name
from lmctl.families.ngram.tables import ABSENT, NgramTables, make_keys, open_tables

# Words 2 and 3 of a vocabulary of 4, so words have two bits of a key: after </s> comes 2, after 2 come </s> and 3,
# and after 3 comes </s>; of order 3 there are </s> 2 3 and 2 3 </s>.
KEYS = {2: [1 << 2 | 2, 2 << 2 | 1, 2 << 2 | 3, 3 << 2 | 1], 3: [0 << 2 | 3, 2 << 2 | 1]}
NGRAMS = [4, 4, 2]
SIZES = NgramSizes(vocabulary_size=4, smoothing="arpa", ngrams=NGRAMS)


def write_tables(folder):
    for order, ngrams in enumerate(NGRAMS, start=1):
        if order > 1:
            np.save(folder / table_name(order, "keys"), np.array(KEYS[order], dtype=np.uint64))
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
    for kind, dtype in (("keys", np.uint64), ("log_probs", np.float32)):
        np.save(tmp_path / table_name(3, kind), np.empty(0, dtype=dtype))

    tables = open_tables(tmp_path, NgramSizes(vocabulary_size=4, smoothing="arpa", ngrams=[4, 4, 0]))

    assert tables.find(3, np.array([0, 1]), np.array([1, 1])).tolist() == [ABSENT, ABSENT]


DAMAGED = {
    "too long": (
        (2, "keys"),
        np.array([*KEYS[2], 15], dtype=np.uint64),
        r"the sizes in model.json want \S+ \(4,\)",
    ),
    "too short": ((1, "log_probs"), np.zeros(3, dtype=np.float32), r"the sizes in model.json want \S+ \(4,\)"),
    "another type": ((1, "log_probs"), np.zeros(4), r"<f8 \(4,\) in 160 bytes, but .* want <f4 \(4,\) in 144"),
    "signed keys": ((2, "keys"), np.array(KEYS[2], dtype=np.int64), r"<i8 \(4,\)"),
    "another byte order": ((1, "log_probs"), np.zeros(4, dtype=">f4"), r">f4 \(4,\)"),
    "two dimensions": ((1, "backoffs"), np.zeros((2, 2), dtype=np.float32), r"<f4 \(2, 2\)"),
    "keys that fall": ((2, "keys"), np.array(KEYS[2][::-1], dtype=np.uint64), "its keys do not rise"),
    "a key twice": ((2, "keys"), np.array([6, 9, 9, 13], dtype=np.uint64), "its keys do not rise"),
    "a context past the end": (
        (3, "keys"),
        np.array([3, 4 << 2], dtype=np.uint64),
        "a context at 4, but there are",
    ),
    "a huge context": ((3, "keys"), np.array([3, 2**64 - 1], dtype=np.uint64), "a context at 46"),
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
    np.save(tmp_path / table_name(2, "keys"), np.array(KEYS[2][:3], dtype=np.uint64))

    # Three words need two bits, like four words.
    with pytest.raises(DataError, match="a word of id 3, but there are only 3"):
        open_tables(tmp_path, NgramSizes(vocabulary_size=3, smoothing="arpa", ngrams=[3, 3, 2]))


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
        NgramSizes(vocabulary_size=vocabulary_size, smoothing="mle", ngrams=ngrams)


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


def test_keys_that_no_float64_tells_apart_are_found():
    # A float64 has no odd numbers from 2**53 on. NumPy (2.4.6) compares int64 with uint64 as float64, so
    # that a needle of another type than the keys finds its neighbour.
    vocabulary_size = 2**31 - 1
    contexts = np.repeat([2**23, 2**23 + 1, 2**31 - 2], 3)
    words = np.tile([2**30, 2**30 + 1, 2**30 + 2], 3)
    keys = make_keys(contexts, words, 31)
    assert keys.min() > 2**53
    sizes = NgramSizes(vocabulary_size=vocabulary_size, smoothing="arpa", ngrams=[vocabulary_size, len(keys)])
    tables = NgramTables(sizes, keys={2: keys}, log_probs={}, backoffs={})

    assert tables.find(2, contexts, words).tolist() == list(range(9))
    assert tables.find(2, contexts, words + 3).tolist() == [ABSENT] * 9
    first, stop = tables.continuations(2, np.array([2**23 - 1, 2**23, 2**23 + 1, 2**31 - 2]))
    assert (first.tolist(), stop.tolist()) == ([0, 0, 3, 6], [0, 3, 6, 9])
    assert tables.words(2, np.arange(9)).tolist() == np.stack([contexts, words], axis=1).tolist()
