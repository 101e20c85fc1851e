"""Reads texts at addresses through fsspec and its packages for protocols, which are imported for an address alone.

The packages retry a request that fails. What they still raise becomes one line, and a text that does not arrive
whole is an error: the bytes are counted, and compared with the size that the store has announced. A text that is
replaced while it is read is an error, too.
"""

from __future__ import annotations

import contextlib
import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lmctl import progress
from lmctl.errors import InputMissingError, LmctlError, StorageError
from lmctl.text.addresses import WEB, file_name, is_chain, protocol_of, public_name, whole_address
from lmctl.text.file_systems import file_system
from lmctl.text.remote_errors import ANY_ERROR, failure

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterator, Mapping, Sequence

# Most stores answer a request after some 50 ms, so larger pieces are not much faster.
_REQUEST_BYTES = 8 << 20
_PIECE_BYTES = 1 << 20
# The statements of stores that change with every change of the content: of S3, Azure and HTTP; of Google; of
# Hugging Face. A time of modification is not among them, since many servers round it to a second.
_VERSIONS = ("ETag", "etag", "VersionId", "generation", "md5Hash", "blob_id")


@dataclass(slots=True)
class _Text:
    """A text that was found.

    Attributes:
        system: its file system in fsspec.
        path: its path there.
        size: in bytes, compressed or not; None: the store does not state it.
        version: what the store states of the content; None: nothing that is certain.
        can_seek: whether it can be read from any byte on; None: not known yet.
    """

    system: Any
    path: str
    size: int | None
    version: str | None
    can_seek: bool | None = None


# By address. Sizes for progress, disk and samples come from here; `check`, `read` and `fingerprint` ask the store.
_found: dict[str, _Text] = {}


def check(address: str) -> None:
    """Check that a text exists, and may be read.

    Raises:
        InputMissingError: it does not exist, or is a folder.
        MissingExtraError: the package that reads its protocol is not installed.
        StorageError: it may not be read.
        UnavailableError: the store does not answer.
        UsageError: no such protocol is known.
    """
    _find(address)


def size_of(address: str) -> int | None:
    """The number of bytes of a text, compressed or not; None: it is not known.

    Raises:
        LmctlError: as `check`.
    """
    return _known(address).size


def identity(address: str) -> Hashable:
    """A value that two addresses of the same text have in common, such as s3:// and s3a://."""
    text = _known(address)
    # The path alone has neither the account of Azure nor the repository of GitHub. Of HTTP, options differ that do
    # not change the text.
    return public_name(address) if protocol_of(address) in WEB else (text.system, text.path)


def can_seek(address: str) -> bool:
    """Whether a text can be read from any byte on; else only from its start to its end.

    Raises:
        LmctlError: as `check`.
    """
    text = _known(address)
    if text.can_seek is None:
        text.can_seek = text.size is not None
        if text.size is not None and protocol_of(address) in WEB and text.size > 1:
            # fsspec refuses a server that answers with the whole text, without reading it.
            with contextlib.suppress(ValueError):
                text.can_seek = False
                with _errors(address, ValueError), _opened(text, in_places=True) as file:
                    file.seek(text.size - 1)
                    text.can_seek = len(file.read(1)) == 1
    return text.can_seek


def read_places(address: str, offsets: Sequence[int], length: int) -> list[bytes]:
    """Read at most `length` bytes at each offset, in rising order.

    Raises:
        LmctlError: as `check`.
    """
    text = _known(address)
    with _errors(address), _opened(text, in_places=True) as file:
        places = []
        for offset in offsets:
            file.seek(offset)
            places.append(file.read(length))
        return places


def read(address: str) -> Iterator[bytes]:
    """Read a text from its start to its end, not decompressed, in pieces.

    Raises:
        LmctlError: as `check`.
        StorageError: the text did not arrive whole, its end cannot be recognised, or it was replaced meanwhile.
    """
    text, done, announced = _find(address), 0, None
    name = public_name(address)
    try:
        with _opened(text) as file:
            announced = _announced(file, text, name)
            while piece := file.read(_PIECE_BYTES):
                done += len(piece)
                yield piece
    except LmctlError:
        raise
    except ANY_ERROR as error:
        raise failure(name, error, done, announced) from _shown_cause(address, error)
    if announced is not None and done != announced:
        raise StorageError(f"{name}: cut off after {done:,} of {announced:,} bytes; run the command again")
    # Of HTTP, the text is one answer of the server.
    if protocol_of(address) not in WEB and _find(address).version != text.version:
        raise StorageError(f"{name}: was replaced while it was read; run the command again")


def fingerprint(address: str) -> tuple[int, str]:
    """The size of a text, and a hash that changes with its content.

    The hash is of what the store states of the content, such as the ETag of S3; if that is nothing certain, it is
    of the content, which is read for this.

    Raises:
        LmctlError: as `read`.
    """
    text = _find(address)
    if text.version is not None and text.size is not None:
        return text.size, hashlib.sha256(text.version.encode()).hexdigest()
    done, digest = 0, hashlib.sha256()
    for piece in read(address):
        done += len(piece)
        digest.update(piece)
        progress.tell(f"checking {file_name(address)}", done, text.size)
    return done, digest.hexdigest()


def _known(address: str) -> _Text:
    """A text as it was found last."""
    return _found.get(whole_address(address)) or _find(address)


def _find(address: str) -> _Text:
    """Ask the store for a text."""
    whole, name = whole_address(address), public_name(address)
    with _errors(address):
        system, path = file_system(whole, name)
        system.invalidate_cache(path)
        info = system.info(path)
        if info.get("type") == "directory":
            raise InputMissingError(f"{name}: is a folder; expected a text file")
        size = info.get("size")
        text = _Text(system, path, size, None if is_chain(whole) else _version(info))
        if (before := _found.get(whole)) is not None and (before.size, before.version) == (size, text.version):
            text.can_seek = before.can_seek
    _found[whole] = text
    return text


def _opened(text: _Text, *, in_places: bool = False) -> Any:
    """Open a text.

    Args:
        text: the text.
        in_places: whether it will be read at some places, and not from start to end.
    """
    if in_places:
        return text.system.open(text.path, "rb", cache_type="none")
    is_web = protocol_of(text.path) in WEB
    # A block size of 0 makes one request for the whole text.
    return text.system.open(text.path, "rb", block_size=0 if is_web else _REQUEST_BYTES)


def _announced(file: Any, text: _Text, name: str) -> int | None:
    """The number of bytes that will come; None: the server marks their end in another way."""
    answer = getattr(file, "r", None)
    if answer is None or not hasattr(answer, "headers"):
        size = getattr(file, "size", None)
        return size if isinstance(size, int) else text.size
    if (length := answer.headers.get("Content-Length")) is not None:
        return int(length)
    if "chunked" in answer.headers.get("Transfer-Encoding", "").lower():
        return None
    raise StorageError(
        f"{name}: the server states no length, so a text that is cut off could not be told from a whole one; "
        "download it, and name the file"
    )


def _version(info: Mapping[str, Any]) -> str | None:
    """What a store states of the content of a text, in one line; None: nothing that is certain."""
    # A weak ETag may stay the same if the content changes a little (RFC 9110, 8.8.1).
    found = [f"{key} {info[key]}" for key in _VERSIONS if info.get(key) and not str(info[key]).startswith("W/")]
    return ", ".join(found) or None


@contextlib.contextmanager
def _errors(address: str, *passed: type[Exception]) -> Iterator[None]:
    """Turn the exceptions of fsspec and of its packages into errors of lmctl.

    Args:
        address: the text.
        passed: exceptions that the caller treats.
    """
    try:
        yield
    except passed:
        raise
    except LmctlError:
        raise
    except ANY_ERROR as error:
        raise failure(public_name(address), error) from _shown_cause(address, error)


def _shown_cause(address: str, error: Exception) -> Exception | None:
    """The cause that a trace may show; None: it may have a secret of the address."""
    return error if public_name(address) == whole_address(address) else None
