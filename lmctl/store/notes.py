"""Small JSON files that explain, and that nothing depends on: one that cannot be read is as good as none."""

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
    """What a note says; None if there is none, or it is damaged."""
    try:
        return decode_record(read_regular(path, LARGEST_NOTE_BYTES), kind, str(path))
    except (OSError, DataError):
        return None


def write_note(path: Path, note: object, beside: Path | None = None) -> None:
    """Write a note in the place of the one before; `beside` as in `files.written_whole`."""
    files.write_bytes(path, msgspec.json.encode(note) + b"\n", beside)
