"""Reads sources twice. The bytes of a pipe are kept in a temporary file in between."""

from __future__ import annotations

import contextlib
import tempfile
from typing import IO, TYPE_CHECKING, Self

from lmctl.errors import StorageError
from lmctl.text.addresses import local_path
from lmctl.text.sources import STDIN

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import TracebackType

_PIECE_BYTES = 1 << 20


class Spool:
    """Reads files and addresses as often as is asked, and pipes twice: then it gives the bytes of the first time.

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
            # Closing writes the bytes that had no room once more.
            with contextlib.suppress(OSError):
                file.close()

    def read(self, path: str, source: str) -> Iterator[bytes]:
        """Read a source in pieces of bytes.

        Raises:
            LmctlError: raised by the function that reads.
            StorageError: the temporary file cannot be made, or there is no room for it.
        """
        # A text at an address is asked for twice: there may be no room for a copy of it.
        if path != STDIN and ((local := local_path(path)) is None or local.is_file()):
            yield from self._read(path, source)
        elif path in self._kept:
            file = self._kept[path]
            file.seek(0)
            while piece := file.read(_PIECE_BYTES):
                yield piece
        else:
            with _storage_errors(source):
                # Closed by `__exit__`.
                file = self._kept[path] = tempfile.TemporaryFile()  # noqa: SIM115
            for piece in self._read(path, source):
                with _storage_errors(source):
                    file.write(piece)
                    file.flush()
                yield piece


@contextlib.contextmanager
def _storage_errors(source: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        folder = "no folder for temporary files"
        with contextlib.suppress(OSError):
            folder = tempfile.gettempdir()
        raise StorageError(
            f"{folder}: {source} is read twice, and cannot be kept in a temporary file: "
            f"{error.strerror or error}; set TMPDIR to a folder with room for it, or give the text as a file"
        ) from error
