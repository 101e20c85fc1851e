"""What to say of a file that is named in place of a model's folder."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from lmctl.errors import LmctlError
from lmctl.store.layout import MODEL_FILE
from lmctl.text.file_types import HEAD_BYTES, file_type
from lmctl.text.sources import read_pieces

if TYPE_CHECKING:
    from pathlib import Path

_ARPA_SUFFIXES = (".arpa", ".lm", ".arpa.gz", ".lm.gz")


def describe_file(path: Path) -> str:
    """What a file is, what was expected in its place, and how to get there: the end of a message.

    Args:
        path: what is there and is no folder; only a regular file is opened.
    """
    if not path.is_file():
        return "is neither a file nor a folder; expected a model's folder"
    folder = path.parent
    if (folder / MODEL_FILE).is_file():
        return f"is a file of a model; name its folder, {folder}"
    head = _head(path)
    if kind := file_type(head[:HEAD_BYTES]):
        way_in = f"; {kind.way_in}" if kind.way_in else ""
        return f"is {kind.name}; expected a model's folder{way_in}"
    if b"\\data\\" in head.split() or path.name.lower().endswith(_ARPA_SUFFIXES):
        return f"is an ARPA file; `lmctl import {path} -o MODEL` makes a model of it"
    return "is a file; expected a model's folder"


def _head(path: Path) -> bytes:
    """The start of a file, decompressed; empty if it cannot be read."""
    with contextlib.suppress(LmctlError):
        return next(read_pieces(str(path), str(path)), b"")
    return b""
