"""Describes, for messages, a file that was named in place of a model folder."""

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
    """Return the end of a message: the kind of a file, what was expected, and what to do.

    Args:
        path: an existing path that is not a folder. Only a regular file is opened.
    """
    if not path.is_file():
        return "is neither a file nor a folder; expected a model folder"
    folder = path.parent
    if (folder / MODEL_FILE).is_file():
        return f"is a file of a model; name its folder, {folder}"
    head = _head(path)
    if kind := file_type(head[:HEAD_BYTES]):
        way_in = f"; {kind.way_in}" if kind.way_in else ""
        return f"is {kind.name}; expected a model folder{way_in}"
    if b"\\data\\" in head.split() or path.name.lower().endswith(_ARPA_SUFFIXES):
        return f"is an ARPA file; `lmctl import {path} -o MODEL` makes a model of it"
    return "is a file; expected a model folder"


def _head(path: Path) -> bytes:
    """Return the start of a file, decompressed; empty if it cannot be read."""
    with contextlib.suppress(LmctlError):
        return next(read_pieces(str(path), str(path)), b"")
    return b""
