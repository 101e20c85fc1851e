import tracemalloc

import numpy as np
import pytest

from lmctl.corpus import id_stream
from lmctl.corpus.id_stream import IdStreamWriter, check_ids, count_ids, open_id_stream
from lmctl.errors import DataError
from lmctl.files import sha256_of


def write(folder, *blocks, vocabulary_size=100):
    with IdStreamWriter(folder / "scratch.npy", vocabulary_size) as writer:
        for block in blocks:
            writer.append(np.array(block, dtype=np.uint32))
        return writer, folder / writer.commit("train")


def test_a_stream_has_the_ids_that_were_appended(tmp_path):
    writer, path = write(tmp_path, [5, 0, 1], [], [0, 0, 99, 1])

    assert np.load(path).tolist() == [5, 0, 1, 0, 0, 99, 1]
    assert (writer.tokens, writer.unknown) == (7, 3)


def test_the_name_carries_the_hash_of_the_content(tmp_path):
    _, path = write(tmp_path, [5, 1])

    assert path.name == f"train.{sha256_of(path)[:16]}.npy"
    assert list(tmp_path.iterdir()) == [path]


def test_how_the_ids_came_does_not_change_a_byte(tmp_path):
    ids = list(range(100)) * 300
    (tmp_path / "other").mkdir()
    _, whole = write(tmp_path, ids)
    _, pieces = write(tmp_path / "other", *(ids[first : first + 7] for first in range(0, len(ids), 7)))

    assert whole.read_bytes() == pieces.read_bytes()


@pytest.mark.parametrize(("vocabulary_size", "dtype"), [(3, "<u2"), (65_536, "<u2"), (65_537, "<u4")])
def test_ids_take_two_bytes_up_to_65536_words(tmp_path, vocabulary_size, dtype):
    _, path = write(tmp_path, [0, vocabulary_size - 1], vocabulary_size=vocabulary_size)

    assert np.load(path).dtype == np.dtype(dtype)
    assert np.load(path).tolist() == [0, vocabulary_size - 1]


def test_an_opened_stream_is_a_memory_map(tmp_path):
    _, path = write(tmp_path, [5, 1])
    stream = open_id_stream(path, 2)

    assert isinstance(stream, np.memmap)
    assert not stream.flags.writeable
    assert stream.tolist() == [5, 1]


def test_an_empty_stream_can_be_opened(tmp_path):
    _, path = write(tmp_path)

    assert open_id_stream(path, 0).tolist() == []


@pytest.mark.parametrize("tokens", [0, 2, 4])
def test_another_length_than_expected_is_refused(tmp_path, tokens):
    _, path = write(tmp_path, [5, 6, 1])

    with pytest.raises(DataError, match=rf"{path.name}: expected {tokens} token ids, got <u2 \(3,\)"):
        open_id_stream(path, tokens)


@pytest.mark.parametrize(
    "array",
    [
        np.zeros((3, 1), dtype=np.uint16),
        np.zeros(3, dtype=np.int64),
        np.zeros(3, dtype=np.float32),
        np.zeros(3, dtype=">u2"),
    ],
)
def test_an_array_that_is_not_an_id_stream_is_refused(tmp_path, array):
    path = tmp_path / "train.npy"
    np.save(path, array)

    with pytest.raises(DataError, match=r"train\.npy: expected 3 token ids"):
        open_id_stream(path, 3)


def test_an_array_of_objects_is_refused_unread(tmp_path):
    path = tmp_path / "train.npy"
    np.save(path, np.array([{}, {}, {}]), allow_pickle=True)

    with pytest.raises(DataError, match=r"train\.npy"):
        open_id_stream(path, 3)


@pytest.mark.parametrize("tokens", [0, 3])
@pytest.mark.parametrize("kept_bytes", [0, 5, 60, 130])
def test_a_stream_that_was_cut_off_is_refused(tmp_path, kept_bytes, tokens):
    _, path = write(tmp_path, [5, 6, 1])
    path.write_bytes(path.read_bytes()[:kept_bytes])

    with pytest.raises(DataError, match=path.name):
        open_id_stream(path, tokens)


def test_ids_are_counted_in_pieces(monkeypatch):
    # numpy.bincount copies ids of 2 bytes as numbers of 8 bytes.
    monkeypatch.setattr(id_stream, "IDS_AT_ONCE", 1000)
    token_ids = np.repeat(np.array([4, 0, 2, 4], dtype=np.uint16), [7, 40_000, 50_000, 3])

    tracemalloc.start()
    counts = count_ids(token_ids, 6)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()

    assert counts.tolist() == [40_000, 0, 50_000, 0, 10, 0]
    assert peak < 8 * len(token_ids) / 10


def test_the_highest_id_is_one_below_the_size_of_the_vocabulary(tmp_path):
    stream = np.array([0, 4, 2], dtype=np.uint16)

    check_ids(stream, 5, tmp_path / "train.npy")
    with pytest.raises(DataError, match=r"train\.npy: token id 4; expected ids below the vocabulary size, 4$"):
        check_ids(stream, 4, tmp_path / "train.npy")
