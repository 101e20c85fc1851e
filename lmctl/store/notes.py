"""Small JSON files that explain, and that nothing depends on: one that cannot be read is as good as none."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

import msgspec

from lmctl import files

if TYPE_CHECKING:
    from pathlib import Path

T = TypeVar("T")


def read_note(path: Path, kind: type[T]) -> T | None:
    """What a note says; None where there is none, or it is damaged."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=kind)
    except (OSError, msgspec.DecodeError, UnicodeDecodeError):
        return None


def write_note(path: Path, note: object) -> None:
    """Write a note in the place of the one before."""
    files.write_bytes(path, msgspec.json.encode(note) + b"\n")
