"""Going back to an older generation of a model."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from lmctl.errors import DataError, InputMissingError
from lmctl.store.copies import repair
from lmctl.store.generations import ModelFolder, is_model
from lmctl.store.lock import locked
from lmctl.store.verification import verify_bundle

if TYPE_CHECKING:
    from pathlib import Path


def roll_back(model: Path, number: int | None = None) -> Path:
    """Make an older generation current again; no run of the model may be in progress.

    Args:
        model: the model's folder.
        number: which generation; None: the one before the current one.

    Returns:
        The folder of what is current now.

    Raises:
        InputMissingError: there is no such model or generation.
        DataError: the generation is damaged; what is current stays.
        LockedError: a run is in progress.
    """
    if not is_model(model):
        raise InputMissingError(f"{model}: not a model's folder; it has no generations")
    folder = ModelFolder.create(model)
    with locked(folder.folder), folder.working():
        # What is no copy of a generation is kept beside by the rollback itself.
        with contextlib.suppress(DataError):
            repair(folder)
        place = folder.generation_before() if number is None else folder.generation(number)
        if place.is_dir():
            verify_bundle(place)
        return folder.roll_back(int(place.name))
