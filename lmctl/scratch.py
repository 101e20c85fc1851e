"""A scratch folder for unfinished files, inside a folder that may also hold files of the user.

A journal names the scratch folder, and each file that is about to be moved out of it. The journal is written
before these files, so the next run can remove the files that a killed or failed run left. Nothing is
removed because of its name alone.
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
# The start of every journal. If a kill cut the journal off, no other file had been written yet.
JOURNAL_START = b'{"lmctl":"unfinished",'


class _Journal(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The content of a journal.

    Attributes:
        scratch: name of the scratch folder.
        files: names of files beside it to which no record refers, yet or any more.
    """

    lmctl: Literal["unfinished"]
    scratch: str
    files: list[str] = []


class Scratch:
    """An existing scratch folder.

    Args:
        folder: the folder that contains it.
        name: the name of the scratch folder.

    Attributes:
        path: the path of the scratch folder.
        announced: whether the journal names files beside the scratch folder.
    """

    def __init__(self, folder: Path, name: str) -> None:
        self.path = folder / name
        self.announced = False
        self._folder = folder

    def announce(self, names: Iterable[str]) -> None:
        """Write the names of files to the journal, before they are moved beside the scratch folder or removed."""
        journal = _encode(self.path.name, sorted(names))
        files.write_bytes(self._folder / JOURNAL, journal, beside=self.path)
        self.announced = True


@contextlib.contextmanager
def scratch_folder(folder: Path) -> Iterator[Scratch]:
    """Make a scratch folder inside `folder`, and remove it with its files when the block ends.

    If an error ends the block after files were announced, the journal stays, and the next `sweep` removes those
    that are not in use. They are not removed at once: if the disk failed, the record that names other files may be
    lost in a power cut, and its predecessor still needs them.

    The caller holds the lock of the folder, and has called `sweep`.

    Raises:
        OSError: the scratch folder cannot be made.
    """
    scratch = Scratch(folder, _free_name(folder))
    # The journal is written in place: no journal would name a temporary file.
    with files.named_in_errors(folder / JOURNAL), (folder / JOURNAL).open("xb") as file:
        file.write(_encode(scratch.path.name, []))
        file.flush()
        os.fsync(file.fileno())
    has_ended = False
    try:
        files.sync_folder(folder)
        scratch.path.mkdir()
        yield scratch
        has_ended = True
    finally:
        # If this fails or is killed, the next run finds the journal and removes the rest.
        try:
            if scratch.path.exists():
                shutil.rmtree(scratch.path)
            # The removal is synced before the journal goes: else a power cut could undo the removal, but not the
            # loss of the journal.
            files.sync_folder(folder)
            if has_ended or not scratch.announced:
                (folder / JOURNAL).unlink()
        except OSError as error:
            logger.warning("%s: could not be removed: %s", scratch.path, error.strerror)


def sweep(folder: Path, kept: Collection[str] = ()) -> None:
    """Remove the files of a killed or failed run that its journal names, and the journal.

    The caller holds the lock of the folder.

    Args:
        folder: the folder that may contain a journal.
        kept: names of files that are in use, and not removed.

    Raises:
        UsageError: a file has the name of the journal, but is not a journal.
        OSError: a file cannot be removed.
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
        # After a power cut, zeros may be in place of the bytes that were written last.
        written = content.rstrip(b"\0")
        if not (JOURNAL_START.startswith(written) or written.startswith(JOURNAL_START)):
            raise _not_a_journal(place) from None
        place.unlink()
        return
    # What is in use must be durable before anything else is removed.
    files.sync_folder(folder)
    left = folder / journal.scratch
    if _is_beside(journal.scratch) and left.name.startswith(SCRATCH) and left.is_dir() and not left.is_symlink():
        shutil.rmtree(left)
    for path in (folder / name for name in journal.files if name not in kept and _is_beside(name)):
        if path.is_file() and not path.is_symlink():
            path.unlink()
    files.sync_folder(folder)
    place.unlink()


def is_swept(folder: Path) -> bool:
    """Whether `folder` has no journal of a killed or failed run."""
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
        f"{place}: expected a journal of lmctl, which has this name, got another file; "
        "move it away, or name another folder with -o"
    )
