"""Notes: small JSON files. No result depends on a note, so a note that cannot be read counts as missing."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

import msgspec

from lmctl import files
from lmctl.errors import DataError
from lmctl.records import LARGEST_RECORD_BYTES, decode_record, read_regular

if TYPE_CHECKING:
    from pathlib import Path

T = TypeVar("T")

LARGEST_NOTE_BYTES = LARGEST_RECORD_BYTES


def read_note(path: Path, kind: type[T]) -> T | None:
    """Return the content of a note; None if it is missing or damaged."""
    try:
        return decode_record(read_regular(path, LARGEST_NOTE_BYTES), kind, str(path))
    except (OSError, DataError):
        return None


def write_note(path: Path, note: object, beside: Path | None = None) -> None:
    """Write a note, which replaces the one before; `beside` as in `files.written_whole`."""
    files.write_bytes(path, msgspec.json.encode(note) + b"\n", beside)
