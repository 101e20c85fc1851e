"""Checks whole bundles for missing, damaged and foreign files."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lmctl.corpus.vocabulary import Vocabulary
from lmctl.errors import DataError, UsageError
from lmctl.store.bundle import open_bundle
from lmctl.store.layout import CONFIG, MEMBERS, MODEL_FILE, VOCABULARY
from lmctl.store.model_record import has_record

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from lmctl.store.bundle import Bundle


def check_bundle(folder: Path) -> Bundle:
    """Open a bundle and check the size of every file, and the hash of every file that is not large.

    Raises:
        InputMissingError: the folder is not a bundle.
        DataError: a file is missing or damaged; the message names it.
    """
    bundle = open_bundle(folder)
    _check_files(bundle)
    return bundle


def _check_files(bundle: Bundle) -> None:
    for name in bundle.record.files:
        bundle.check(name)
    for member in bundle.members():
        _check_files(member)


def verify_bundle(folder: Path) -> Bundle:
    """Open a bundle and check every file, also large ones; refuse files that are not of the bundle.

    Raises:
        InputMissingError: the folder is not a bundle.
        DataError: a file is missing, damaged or foreign; the message names it.
    """
    bundle = open_bundle(folder)
    known = {MODEL_FILE, *bundle.record.files}
    members = bundle.record.member_names
    there = {path.name for path in folder.iterdir()} - ({MEMBERS} if members else set())
    if members and (folder / MEMBERS).is_dir():
        there |= {f"{MEMBERS}/{path.name}" for path in (folder / MEMBERS).iterdir()} - set(members)
    if foreign := there - known:
        raise DataError(f"{folder / min(foreign)}: not a file of this bundle")
    for name in bundle.record.files:
        bundle.check(name, always_hash=True)
    for member in bundle.members():
        verify_bundle(member.folder)
    # Unlike `Bundle.vocabulary`, this checks that no word occurs twice.
    Vocabulary.from_tsv(folder / VOCABULARY)
    bundle.vocabulary()
    bundle.characters()
    bundle.metrics()
    bundle.history()
    bundle.moments()
    try:
        bundle.config()
    except UsageError as error:
        raise DataError(f"{bundle.folder / CONFIG}: {error}") from error
    return bundle


def foreign_files_in(folder: Path) -> list[str]:
    """Return the files in a bundle's folder that are not of the bundle, as paths relative to the folder.

    If the folder is not a bundle, all its files are returned. If its record is damaged, none are.
    """
    there = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_symlink() or not path.is_dir()}
    if not has_record(folder):
        return sorted(there)
    try:
        return sorted(there - set(_files_of(open_bundle(folder))))
    except DataError:
        return []


def _files_of(bundle: Bundle) -> Iterator[str]:
    """Yield the files of a bundle and of all its members, as paths relative to its folder."""
    yield from (MODEL_FILE, *bundle.record.files)
    for place, member in zip(bundle.record.member_names, bundle.members(), strict=True):
        yield from (f"{place}/{name}" for name in _files_of(member))
