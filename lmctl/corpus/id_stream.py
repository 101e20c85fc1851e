"""An id stream on disk: a one-dimensional .npy array, written as it comes and memory-mapped when read."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np

from lmctl import files
from lmctl.corpus.array_file import ArrayWriter
from lmctl.corpus.vocabulary import UNKNOWN_ID
from lmctl.errors import DataError

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

HASH_DIGITS = 16
DTYPES = (np.dtype(np.uint16), np.dtype(np.uint32))


class IdStreamWriter:
    """Writes ids as they come, without knowing how many there will be.

    Args:
        path: where it is written.
        vocabulary_size: decides between uint16 and uint32.
    """

    def __init__(self, path: Path, vocabulary_size: int) -> None:
        self.tokens = 0
        self.unknown = 0
        self._path = path
        self._file: BinaryIO = path.open("w+b")
        self._array = ArrayWriter(self._file, DTYPES[0] if vocabulary_size <= 2**16 else DTYPES[1])

    def append(self, token_ids: NDArray[np.integer[Any]]) -> None:
        """Add ids, (tokens,), to the end of the stream."""
        self.tokens += len(token_ids)
        self.unknown += int(np.count_nonzero(token_ids == UNKNOWN_ID))
        self._array.append(token_ids)

    def commit(self, name: str) -> str:
        """Finish the stream and rename it where it is; its name, which carries its hash, is returned."""
        self._array.finish()
        self._file.flush()
        os.fsync(self._file.fileno())
        self._file.close()
        named = f"{name}.{files.sha256_of(self._path)[:HASH_DIGITS]}.npy"
        self._path.replace(self._path.with_name(named))
        return named


def open_id_stream(path: Path, tokens: int) -> NDArray[np.unsignedinteger[Any]]:
    """Memory-map a stream, (tokens,).

    Raises:
        DataError: it is not a stream of that length.
    """
    try:
        # An empty file cannot be mapped, and an empty stream is one header long: both are read instead.
        stream = np.load(path, mmap_mode="r" if tokens else None, allow_pickle=False)
    except (ValueError, EOFError) as error:
        raise DataError(f"{path}: {error}") from error
    if stream.shape != (tokens,) or stream.dtype not in DTYPES:
        raise DataError(f"{path}: expected {tokens} token ids, got {stream.dtype} of shape {stream.shape}")
    return stream  # type: ignore[no-any-return]
