"""Make an older generation of a model current again."""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING

from lmctl.errors import DataError, InputMissingError
from lmctl.store.copies import repair
from lmctl.store.generations import ModelFolder, remove
from lmctl.store.layout import CHECKPOINT, PUBLISHING
from lmctl.store.lock import locked
from lmctl.store.published import is_model, nothing_published
from lmctl.store.verification import verify_bundle

if TYPE_CHECKING:
    from pathlib import Path


def roll_back(model: Path, number: int | None = None) -> Path:
    """Make an older generation current again; no run of the model may be in progress.

    Args:
        model: the model folder.
        number: number of the generation; None: the newest one that is older than the current one.

    Returns:
        The folder of the generation that is current now.

    Raises:
        InputMissingError: there is no such model or generation.
        DataError: the generation is damaged; the current generation stays.
        LockedError: a run is in progress.
    """
    if not is_model(model):
        raise InputMissingError(f"{model}: not a model folder; it has no generations")
    folder = ModelFolder.create(model)
    if not folder.numbers():
        # Before the lock is taken: the message says whether a run holds it.
        raise nothing_published(folder)
    with locked(folder.folder), folder.working():
        # Something in the place of the link that is no copy of a generation: the rollback itself sets it aside.
        with contextlib.suppress(DataError):
            repair(folder)
            _record_published(folder)
        place = folder.generation_before() if number is None else folder.generation(number)
        if place.is_dir():
            verify_bundle(place)
        return folder.roll_back(int(place.name))


def _record_published(folder: ModelFolder) -> None:
    """Save the request of a run that was killed after it had published, so that the same command repeats nothing.

    It would make the same model again, and publish it over the generation that is made current now. Unlike the
    next run, this removes no generation: the one that is asked for may be the oldest.
    """
    if not os.path.lexists(folder.work / PUBLISHING):
        return
    # Imported here, because they take longer to import than a rollback takes.
    from lmctl.jobs.train import journal
    from lmctl.jobs.train.request import save_request

    if (found := journal.find_published(folder)) is not None:
        remove(folder.work / CHECKPOINT)
        save_request(folder, *found)
    journal.end(folder)
