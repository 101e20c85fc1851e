"""A folder for what is not finished, inside a folder that may hold files of other people.

What a run that was killed left behind is known by a journal, never by its name: the journal is written before the
first file is, and names the scratch folder and each file that is about to be put beside it.
"""

from __future__ import annotations

import contextlib
import logging
import os
import secrets
import shutil
from typing import TYPE_CHECKING, Literal

import msgspec

from lmctl import files
from lmctl.errors import DataError, UsageError
from lmctl.records import decode_record, is_inside, read_regular

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator
    from pathlib import Path

logger = logging.getLogger(__name__)

JOURNAL = "unfinished.json"
SCRATCH = ".unfinished-"
# What every journal starts with. One that a kill cut off was followed by no other file.
JOURNAL_START = b'{"lmctl":"unfinished",'


class _Journal(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is not finished: a folder, and files beside it that nothing refers to yet, or any more."""

    lmctl: Literal["unfinished"]
    scratch: str
    files: list[str] = []


class Scratch:
    """A scratch folder that is there.

    Args:
        folder: that it is in.
        name: of the scratch folder.
    """

    def __init__(self, folder: Path, name: str) -> None:
        self.path = folder / name
        self._folder = folder

    def announce(self, names: Iterable[str]) -> None:
        """Note the names of files that will lie beside the scratch folder, or be removed there."""
        journal = _encode(self.path.name, sorted(names))
        files.write_bytes(self._folder / JOURNAL, journal, beside=self.path)


@contextlib.contextmanager
def scratch_folder(folder: Path) -> Iterator[Scratch]:
    """Make a scratch folder inside `folder`, and remove it with all that is in it.

    The caller holds the folder's lock, and has called `sweep`.

    Raises:
        OSError: it cannot be made.
    """
    scratch = Scratch(folder, _free_name(folder))
    # In its place: a temporary file beside it would be one that no journal names.
    with files.named_in_errors(folder / JOURNAL), (folder / JOURNAL).open("xb") as file:
        file.write(_encode(scratch.path.name, []))
        file.flush()
        os.fsync(file.fileno())
    try:
        files.sync_folder(folder)
        scratch.path.mkdir()
        yield scratch
    finally:
        # Whatever stops this leaves it to the next run, which finds the journal.
        try:
            if scratch.path.exists():
                shutil.rmtree(scratch.path)
            # A power cut must not take the journal, and bring back what it names.
            files.sync_folder(folder)
            (folder / JOURNAL).unlink()
        except OSError as error:
            logger.warning("%s: could not be removed: %s", scratch.path, error.strerror)


def sweep(folder: Path, kept: Collection[str] = ()) -> None:
    """Remove what a run that was killed left in `folder`, as far as its journal names it.

    The caller holds the folder's lock.

    Args:
        folder: where a scratch folder may be.
        kept: names of files beside it that are referred to.

    Raises:
        UsageError: a file of the journal's name is not a journal.
        OSError: something cannot be removed.
    """
    place = folder / JOURNAL
    try:
        content = read_regular(place)
    except FileNotFoundError:
        return
    except DataError:
        raise _not_a_journal(place) from None
    try:
        journal = decode_record(content, _Journal, str(place))
    except DataError:
        # After a power cut, zeros may stand in the place of what was written last.
        written = content.rstrip(b"\0")
        if not (JOURNAL_START.startswith(written) or written.startswith(JOURNAL_START)):
            raise _not_a_journal(place) from None
        place.unlink()
        return
    left = folder / journal.scratch
    if _is_beside(journal.scratch) and left.name.startswith(SCRATCH) and left.is_dir() and not left.is_symlink():
        shutil.rmtree(left)
    for path in (folder / name for name in journal.files if name not in kept and _is_beside(name)):
        if path.is_file() and not path.is_symlink():
            path.unlink()
    files.sync_folder(folder)
    place.unlink()


def is_swept(folder: Path) -> bool:
    """Whether no run left a journal in `folder`."""
    return not os.path.lexists(folder / JOURNAL)


def _is_beside(name: str) -> bool:
    return "/" not in name and is_inside(name)


def _encode(scratch: str, names: list[str]) -> bytes:
    return msgspec.json.encode(_Journal(lmctl="unfinished", scratch=scratch, files=names))


def _free_name(folder: Path) -> str:
    while True:
        name = f"{SCRATCH}{secrets.token_hex(4)}"
        if not os.path.lexists(folder / name):
            return name


def _not_a_journal(place: Path) -> UsageError:
    return UsageError(
        f"{place}: is no file of lmctl, which writes one of this name while it works; "
        "move it away, or name another folder with -o"
    )
