"""Repairs a model that was copied without its link `current`.

`scp -r`, `cp -rL` and object stores replace the link with a folder: a copy of the generation that the link leads
to. Other programs replace it with a text file that holds the target, or leave it out.
"""

from __future__ import annotations

import logging
import os
import shlex
from pathlib import Path
from typing import TYPE_CHECKING

from lmctl.errors import DataError
from lmctl.records import read_regular
from lmctl.store.layout import CURRENT, GENERATION, GENERATIONS, MODEL_FILE, PIN, UNPUBLISHED, WORK
from lmctl.store.verification import verify_bundle

if TYPE_CHECKING:
    from lmctl.store.generations import ModelFolder
    from lmctl.store.published import PublishedModel

logger = logging.getLogger(__name__)

# The largest size of a text file that replaces a link, in bytes.
LONGEST_LINK = 4096


def generation_of_copy(model: PublishedModel) -> Path | None:
    """Return the generation that the file or folder in the place of the link stands for; None if there is none."""
    place = model.folder / CURRENT
    try:
        if place.is_file():
            with place.open("rb") as file:
                target = Path(os.fsdecode(file.read(LONGEST_LINK).strip()))
            is_ours = str(target.parent) == GENERATIONS and GENERATION.fullmatch(target.name)
            return model.folder / target if is_ours else None
        record = read_regular(place / MODEL_FILE)
        return next((path for path in _newest_first(model) if _has(path / MODEL_FILE, record)), None)
    except (OSError, ValueError, DataError):
        return None


def fault_of(model: PublishedModel) -> str | None:
    """Return the message for a model that has generations but no current one, with the command that repairs it.

    None if a generation is current. None, too, if the first run was cut off before it published: the next run
    publishes.
    """
    numbers, link = model.numbers(), model.folder / CURRENT
    if not numbers and os.path.lexists(link) and not link.is_symlink():
        # A run would fail only at its last step, when it replaces the link.
        what = f"{link}: is {'a folder' if link.is_dir() else 'a file'}, not a link to a generation"
        return f"{what}, and there are no generations; move it away, or copy the model again with them"
    if not numbers or model.sound_current() is not None:
        return None
    if link.is_symlink():
        what = f"{link}: leads to no generation of this model"
    elif os.path.lexists(link):
        what = f"{link}: is {'a folder' if link.is_dir() else 'a file'}, not a link to a generation"
    elif os.path.lexists(model.folder / WORK / UNPUBLISHED):
        return None
    else:
        what = f"{model.folder}: has no link {CURRENT}, as a copy without links"
    return f"{what}; `{repair_command(model)}` makes one current"


def repair_command(model: PublishedModel) -> str:
    """Return the command that makes a generation current again: the pinned one, else the newest."""
    numbers = model.numbers()
    try:
        number = int(read_regular(model.folder / PIN))
    except (OSError, ValueError, DataError):
        number = numbers[-1]
    return f"lmctl rollback {shlex.quote(str(model.folder))} --to {number if number in numbers else numbers[-1]}"


def repair(model: ModelFolder) -> None:
    """Restore the link `current` if a copy replaced it; called inside `ModelFolder.working`.

    Only two things are replaced, and neither holds data of its own: a text file with the link's target, and a
    folder that equals an undamaged generation byte for byte.

    Raises:
        DataError: something else is in the place of the link. The message names the command that repairs it.
    """
    if (message := fault_of(model)) is not None:
        raise DataError(message)
    place, link = model.current(), model.folder / CURRENT
    if place is None or link.is_symlink() or not place.is_dir():
        return
    if link.is_dir():
        try:
            verify_bundle(link)
            verify_bundle(place)
        except DataError as error:
            mended = f"`{repair_command(model)}` replaces it with a link, and keeps the folder"
            raise DataError(f"{link}: is a folder, not a link, and {error}; {mended}") from error
        link.rename(model.scratch / "replaced")
        model.make_current(place)
    else:
        model.make_current(place)
    logger.warning("%s: was not a link, as in a copy; it is now a link to %s again", link, place.name)


def keep_non_link(model: ModelFolder) -> None:
    """Move a file or folder that is in the place of the link to another name, before a rollback makes the link."""
    link, number = model.folder / CURRENT, 1
    if link.is_symlink() or not link.exists():
        return
    while os.path.lexists(kept := model.folder / f"{CURRENT}.kept-{number}"):
        number += 1
    link.rename(kept)
    logger.warning("%s: was not a link; it is kept as %s", link, kept.name)


def _newest_first(model: PublishedModel) -> list[Path]:
    return [model.generation(number) for number in reversed(model.numbers())]


def _has(path: Path, content: bytes) -> bool:
    try:
        return path.stat().st_size == len(content) and read_regular(path) == content
    except (OSError, DataError):
        return False
