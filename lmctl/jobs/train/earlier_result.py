"""What a run would come to, if that is known without it."""

from __future__ import annotations

import contextlib
import logging
from typing import TYPE_CHECKING

import msgspec

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
    """What a run would come to, if an earlier one shows it; None if it has to be run, or `force` asks for it.

    Raises:
        QualityGateError: the gate refused what this same run made.
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
    """Record what a run had already published when it was cut off; the outcome, if it was this same run.

    The caller holds the lock.
    """
    if not _settle(folder):
        return None
    # With it, the model could only be made again.
    remove(folder.work / CHECKPOINT)
    known = _unchanged(folder, job)
    return None if job.policies.force else known


def _unchanged(folder: ModelFolder, job: TrainingJob) -> Trained | None:
    """What the current generation says of itself, if a run would only make it again."""
    current = unchanged_generation(folder, job.sources, job.settings)
    if current is None:
        return None
    try:
        # What is damaged is made again, not left current because nothing else has changed.
        check_bundle(current)
        return summarize(folder.folder, current, "unchanged")
    except (LmctlError, OSError) as error:
        logger.warning("%s; training again", error)
        return None


def _settle(folder: ModelFolder) -> bool:
    """Finish what a run left to do that was cut off after it had published; returns whether there was one."""
    found = journal.find_published(folder)
    if found is not None:
        # First: once the request is remembered, the same command finds nothing to do.
        folder.prune(generations_kept(folder))
        save_request(folder, *found)
    journal.end(folder)
    return found is not None


def _sweep_without_a_run(folder: ModelFolder) -> None:
    """Remove what a killed run left when it had done its work; a run in progress holds the lock."""
    if not folder.is_swept() or journal.is_begun(folder):
        with contextlib.suppress(LockedError, OSError), locked(folder.folder), folder.working():
            _settle(folder)
