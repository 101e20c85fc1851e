"""The result of a run, if an earlier run already shows it."""

from __future__ import annotations

import contextlib
import logging
from typing import TYPE_CHECKING

import msgspec

from lmctl import files
from lmctl.errors import LmctlError, LockedError, QualityGateError
from lmctl.jobs.train import journal
from lmctl.jobs.train.publish import generations_kept, summarize
from lmctl.jobs.train.request import earlier_rejection, save_request, unchanged_generation
from lmctl.jobs.watching.runs import log_without_a_run
from lmctl.store.generations import remove
from lmctl.store.layout import CHECKPOINT
from lmctl.store.lock import locked
from lmctl.store.verification import check_bundle

if TYPE_CHECKING:
    from lmctl.jobs.train.publish import Trained
    from lmctl.jobs.train.training_job import TrainingJob
    from lmctl.jobs.watching.runs import Watched
    from lmctl.store.generations import ModelFolder

logger = logging.getLogger(__name__)


def earlier_result(watch: Watched, job: TrainingJob) -> Trained | None:
    """The result that an earlier run shows; None if the run is needed, or if `force` is set.

    The line in runs.jsonl and the last event are written here if there is a result.

    Raises:
        QualityGateError: an earlier run with the same texts and settings was refused by the gate.
    """
    if job.policies.force:
        return None
    folder = watch.folder
    known = _unchanged(folder, job)
    if known is not None:
        _sweep_without_a_run(folder)
        log_without_a_run(watch, "unchanged", 0, summary=msgspec.structs.asdict(known))
        return known
    refused = earlier_rejection(folder, job.sources, job.settings)
    if refused is not None:
        _sweep_without_a_run(folder)
        log_without_a_run(watch, "rejected", QualityGateError.exit_code, refused)
        raise QualityGateError(refused)
    return None


def recovered_result(folder: ModelFolder, job: TrainingJob) -> Trained | None:
    """Record the generation that a killed run had already published. The caller holds the lock.

    Returns:
        The result of that run, if its texts and settings are those of this job; else None.
    """
    if not _settle(folder):
        return None
    # The checkpoint could only make the same model again.
    remove(folder.work / CHECKPOINT)
    known = _unchanged(folder, job)
    return None if job.policies.force else known


def _unchanged(folder: ModelFolder, job: TrainingJob) -> Trained | None:
    """The summary of the current generation, if a run would only repeat it."""
    current = unchanged_generation(folder, job.sources, job.settings)
    if current is None:
        return None
    try:
        # A damaged generation is made again, although nothing else has changed.
        check_bundle(current)
        return summarize(folder.folder, current, "unchanged")
    except (LmctlError, OSError) as error:
        logger.warning("%s; training again", files.describe(error))
        return None


def _settle(folder: ModelFolder) -> bool:
    """Do the last steps of a run that was killed after it had published.

    Returns:
        Whether there was such a run.
    """
    found = journal.find_published(folder)
    if found is not None:
        # Removals come first: once the request is saved, the same command finds nothing to do.
        folder.remove_rejected()
        folder.prune(generations_kept(folder))
        save_request(folder, *found)
    journal.end(folder)
    return found is not None


def _sweep_without_a_run(folder: ModelFolder) -> None:
    """Remove the files of a run that was killed at its end, unless a run in progress holds the lock."""
    if not folder.is_swept() or journal.is_begun(folder):
        with contextlib.suppress(LockedError, OSError), locked(folder.folder), folder.working():
            _settle(folder)
