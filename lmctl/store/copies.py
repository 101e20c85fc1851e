"""A model that was copied without its link: what lies in the place of `current`, and how the link comes back.

`scp -r`, `cp -rL` and object stores make a folder of a link, a copy of the generation that it leads to; others
make a text of it, or nothing.
"""

from __future__ import annotations

import logging
import os
import shlex
from pathlib import Path
from typing import TYPE_CHECKING

from lmctl.errors import DataError
from lmctl.records import read_regular
from lmctl.store.layout import CURRENT, GENERATION, GENERATIONS, MODEL_FILE, PIN
from lmctl.store.runs import RunLog
from lmctl.store.verification import verify_bundle

if TYPE_CHECKING:
    from lmctl.store.generations import ModelFolder

logger = logging.getLogger(__name__)

# No text in the place of a link is longer.
LONGEST_LINK = 4096


def generation_of_copy(model: ModelFolder) -> Path | None:
    """The generation that is meant by what a copy has in the place of the link; None if it means none."""
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


def fault_of(model: ModelFolder) -> str | None:
    """Why no generation is current though there are some, and the command that mends it; None if one is.

    None, too, if the first run was killed before its last step: the next one does that.
    """
    numbers, link = model.numbers(), model.folder / CURRENT
    if not numbers and os.path.lexists(link) and not link.is_symlink():
        # A run would come to its last step, and fail there.
        what = f"{link}: is {'a folder' if link.is_dir() else 'a file'}, not a link to a generation"
        return f"{what}, and there are no generations; move it away, or copy the model again with them"
    if not numbers or model.sound_current() is not None:
        return None
    if link.is_symlink():
        what = f"{link}: leads to no generation of this model"
    elif os.path.lexists(link):
        what = f"{link}: is {'a folder' if link.is_dir() else 'a file'}, not a link to a generation"
    elif _has_published(model, numbers):
        what = f"{model.folder}: has no link {CURRENT}, as a copy without links"
    else:
        return None
    return f"{what}; `{repair_command(model)}` makes one current"


def repair_command(model: ModelFolder) -> str:
    """The command that makes current what was so before the link was lost: what is pinned, else the newest."""
    numbers = model.numbers()
    try:
        number = int(read_regular(model.folder / PIN))
    except (OSError, ValueError, DataError):
        number = numbers[-1]
    return f"lmctl rollback {shlex.quote(str(model.folder))} --to {number if number in numbers else numbers[-1]}"


def repair(model: ModelFolder) -> None:
    """Put the link back where a copy has something else; called inside `ModelFolder.working`.

    What is replaced has nothing of its own: a text that says where the link led, or a folder that is, byte for
    byte, a sound generation.

    Raises:
        DataError: it is neither; the command that mends it is said.
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
            mended = f"`{repair_command(model)}` makes a link of it, and keeps the folder"
            raise DataError(f"{link}: is a folder, not a link, and {error}; {mended}") from error
        link.rename(model.scratch / "replaced")
        model.make_current(place)
    else:
        model.make_current(place)
    logger.warning("%s: was no link, as in a copy; it leads to %s again", link, place.name)


def keep_non_link(model: ModelFolder) -> None:
    """Keep what is no link beside the place of the link, which an explicit rollback is about to take."""
    link, number = model.folder / CURRENT, 1
    if link.is_symlink() or not link.exists():
        return
    while os.path.lexists(kept := model.folder / f"{CURRENT}.kept-{number}"):
        number += 1
    link.rename(kept)
    logger.warning("%s: was no link; it is kept as %s", link, kept.name)


def _newest_first(model: ModelFolder) -> list[Path]:
    return [model.generation(number) for number in reversed(model.numbers())]


def _has(path: Path, content: bytes) -> bool:
    try:
        return path.stat().st_size == len(content) and read_regular(path) == content
    except (OSError, DataError):
        return False


def _has_published(model: ModelFolder, numbers: list[int]) -> bool:
    """Whether a generation has been current before."""
    if len(numbers) > 1 or (model.folder / PIN).exists():
        return True
    return any(run.outcome == "published" for run in RunLog(model).newest_first())
