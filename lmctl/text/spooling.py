"""Reads sources twice. The bytes of a pipe are kept in a temporary file in between."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import IO, TYPE_CHECKING, Self

from lmctl.text.sources import STDIN

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import TracebackType

_PIECE_BYTES = 1 << 20


class Spool:
    """Reads files as often as is asked, and pipes twice: the second reading gets the bytes of the first.

    The temporary files have no name, so nothing is left after a kill. They are in the folder that TMPDIR names.

    Args:
        read: the function that reads a path, given the path and the name of the source.
    """

    def __init__(self, read: Callable[[str, str], Iterator[bytes]]) -> None:
        self._read = read
        self._kept: dict[str, IO[bytes]] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for file in self._kept.values():
            file.close()

    def read(self, path: str, source: str) -> Iterator[bytes]:
        """Read a source in pieces of bytes."""
        if path != STDIN and Path(path).is_file():
            yield from self._read(path, source)
        elif path in self._kept:
            file = self._kept[path]
            file.seek(0)
            while piece := file.read(_PIECE_BYTES):
                yield piece
        else:
            # Closed by `__exit__`.
            file = self._kept[path] = tempfile.TemporaryFile()  # noqa: SIM115
            for piece in self._read(path, source):
                file.write(piece)
                yield piece
