"""Reads which generations a model folder has, and which one is current."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lmctl.errors import DataError, InputMissingError, LmctlError
from lmctl.records import shortened
from lmctl.store.layout import CURRENT, GENERATION, GENERATIONS

if TYPE_CHECKING:
    from pathlib import Path


class PublishedModel:
    """The generations of one model, for readers.

    Attributes:
        folder: the model folder.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def numbers(self) -> list[int]:
        """Return the numbers of the existing generations, in rising order."""
        try:
            names = [path.name for path in (self.folder / GENERATIONS).iterdir()]
        except FileNotFoundError:
            return []
        return sorted(int(name) for name in names if GENERATION.fullmatch(name))

    def generation(self, number: int) -> Path:
        """Return the folder of a generation."""
        return self.folder / GENERATIONS / f"{number:06d}"

    def current(self) -> Path | None:
        """Return the folder of the current generation; None if nothing is published.

        In a copied model, `current` may be a file or a folder, not a link: see `copies.generation_of_copy`.

        Raises:
            DataError: the link does not lead to a generation of this model.
        """
        try:
            target = (self.folder / CURRENT).readlink()
        except FileNotFoundError:
            return None
        except OSError:
            # Imported here, as below, because a query needs this only for a copied model.
            from lmctl.store.copies import generation_of_copy

            return generation_of_copy(self)
        if str(target.parent) != GENERATIONS or not GENERATION.fullmatch(target.name):
            from lmctl.store.copies import repair_command

            raise DataError(
                f"{self.folder / CURRENT}: leads to {shortened(str(target))}, which is no generation of this model"
                + (f"; `{repair_command(self)}` makes one current" if self.numbers() else "")
            )
        return self.folder / target

    def sound_current(self) -> Path | None:
        """Return the same as `current`, but None if the link does not lead to a generation of this model."""
        try:
            return self.current()
        except DataError:
            return None


def is_model(folder: Path) -> bool:
    """Return whether a folder is a model folder, perhaps without generations; False if it cannot be read."""
    try:
        return (folder / GENERATIONS).is_dir()
    except OSError:
        return False


def nothing_published(model: PublishedModel) -> LmctlError:
    """Return the error for a model without a current generation."""
    from lmctl.store.copies import fault_of

    fault = fault_of(model)
    if fault is None:
        return InputMissingError(f"{model.folder}: nothing has been published there yet{_last_run(model)}")
    return DataError(fault)


def _last_run(model: PublishedModel) -> str:
    """The state of the last run of a model, as the end of a message; empty if there was none."""
    from lmctl.store.lock import is_locked
    from lmctl.store.runs import runs_in

    if is_locked(model.folder):
        return "; a run is in progress"
    last = next(runs_in(model.folder), None)
    if last is None:
        return ""
    ended = {
        "failed": "failed",
        "interrupted": "was interrupted",
        "killed": "was killed",
        "rejected": "was refused",
    }
    message = "" if last.message is None else f" ({shortened(last.message)})"
    return f"; the last run, at {last.start}, {ended.get(last.outcome, 'published nothing')}{message}"
