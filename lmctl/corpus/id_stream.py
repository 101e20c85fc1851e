"""An id stream on disk: a one-dimensional .npy array of token ids, memory-mapped when read."""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING, Any, BinaryIO, Self

import numpy as np

from lmctl import files
from lmctl.corpus.array_file import ArrayHeader, ArrayWriter
from lmctl.corpus.vocabulary import UNKNOWN_ID
from lmctl.errors import DataError
from lmctl.records import open_regular

if TYPE_CHECKING:
    from pathlib import Path
    from types import TracebackType

    from numpy.typing import NDArray

    from lmctl.arrays import Int64Array, IntArray

HASH_DIGITS = 16
# Ids that are checked or counted at once.
IDS_AT_ONCE = 1 << 20
DTYPES = (np.dtype(np.uint16), np.dtype(np.uint32))


class IdStreamWriter:
    """Writes an id stream piece by piece, without knowing its length in advance. The end of its block closes it.

    Args:
        path: the file to write.
        vocabulary_size: V; the ids are uint16 if V is at most 65,536, else uint32.

    Attributes:
        tokens: number of ids written so far.
        unknown: number of `<unk>` among them.
    """

    def __init__(self, path: Path, vocabulary_size: int) -> None:
        self.tokens = 0
        self.unknown = 0
        self._path = path
        self._file: BinaryIO = path.open("w+b")
        self._array = ArrayWriter(self._file, DTYPES[0] if vocabulary_size <= 2**16 else DTYPES[1])

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        # Closing writes the bytes that had no room once more. An error of `commit` has said so.
        with contextlib.suppress(OSError):
            self._file.close()

    def append(self, token_ids: NDArray[np.integer[Any]]) -> None:
        """Add ids, (tokens,), to the end of the stream."""
        self.tokens += len(token_ids)
        self.unknown += int(np.count_nonzero(token_ids == UNKNOWN_ID))
        self._array.append(token_ids)

    def commit(self, name: str) -> str:
        """Finish the stream, sync it, and rename it in its folder.

        Args:
            name: the start of the new name.

        Returns:
            The new name, NAME.HASH.npy.
        """
        self._array.finish()
        self._file.flush()
        os.fsync(self._file.fileno())
        self._file.close()
        named = f"{name}.{files.sha256_of(self._path)[:HASH_DIGITS]}.npy"
        self._path.replace(self._path.with_name(named))
        return named


def open_id_stream(path: Path, tokens: int) -> NDArray[np.unsignedinteger[Any]]:
    """Memory-map an id stream, (tokens,) uint16 or uint32.

    Raises:
        DataError: the file is not an id stream of this length.
    """
    with open_regular(path) as file:
        header, size = ArrayHeader.read(file), os.fstat(file.fileno()).st_size
    if header is None:
        raise DataError(f"{path}: damaged; it does not start as an id stream does")
    for dtype in DTYPES:
        if header.is_of(dtype, tokens) and size == header.start + tokens * dtype.itemsize:
            # An empty file cannot be mapped.
            return np.memmap(path, dtype, "r", header.start, (tokens,)) if tokens else np.empty(0, dtype)
    raise DataError(f"{path}: expected {tokens} token ids, got {header} in {size} bytes")


def check_ids(stream: NDArray[np.unsignedinteger[Any]], vocabulary_size: int, path: Path) -> None:
    """Check that all ids of a stream are in the vocabulary.

    Raises:
        DataError: an id is `vocabulary_size` or more.
    """
    for first in range(0, len(stream), IDS_AT_ONCE):
        highest = int(stream[first : first + IDS_AT_ONCE].max())
        if highest >= vocabulary_size:
            raise DataError(
                f"{path}: token id {highest}; expected ids below the vocabulary size, {vocabulary_size}"
            )


def count_ids(token_ids: IntArray, vocabulary_size: int) -> Int64Array:
    """How often each id occurs in a text, (V,).

    It is counted in pieces, because `numpy.bincount` copies what it counts as numbers of 64 bits.
    """
    counts = np.zeros(vocabulary_size, dtype=np.int64)
    for first in range(0, len(token_ids), IDS_AT_ONCE):
        counts += np.bincount(token_ids[first : first + IDS_AT_ONCE], minlength=vocabulary_size)
    return counts
