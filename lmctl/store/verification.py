"""Checks whole bundles: that every file is there and sound, and which files in the folder are not of it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from lmctl.errors import DataError, UsageError
from lmctl.store.bundle import open_bundle
from lmctl.store.layout import CONFIG, MEMBERS, MODEL_FILE
from lmctl.store.model_record import has_record

if TYPE_CHECKING:
    from lmctl.store.bundle import Bundle


def check_bundle(folder: Path) -> Bundle:
    """Open a bundle and check every file that it names as loading does: sizes always, hashes unless one is large.

    Raises:
        InputMissingError: there is no bundle there.
        DataError: what does not fit, by name.
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
    """Open a bundle and check every file in it, whatever its size; files it does not name are refused.

    Raises:
        InputMissingError: there is no bundle there.
        DataError: what does not fit, by name.
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
    bundle.vocabulary()
    bundle.characters()
    bundle.metrics()
    bundle.history()
    try:
        bundle.config()
    except UsageError as error:
        raise DataError(f"{bundle.folder / CONFIG}: {error}") from error
    return bundle


def foreign_files_in(folder: Path) -> list[str]:
    """The files in a bundle's folder that are not of it, by their paths within it.

    All of them if it is no bundle; none if its record is damaged, and cannot say.
    """
    there = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_symlink() or not path.is_dir()}
    if not has_record(folder):
        return sorted(there)
    try:
        bundle = open_bundle(folder)
        for path, each in [("", bundle), *zip(bundle.record.member_names, bundle.members(), strict=True)]:
            there -= {str(Path(path, name)) for name in (MODEL_FILE, *each.record.files)}
    except DataError:
        return []
    return sorted(there)
