"""Training on several hosts: how a worker joins the others, and what one does that is not the chief."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING

from lmctl import progress
from lmctl.corpus.prepared import PreparedCorpus
from lmctl.errors import WorkerLostError
from lmctl.jobs.train.inputs import resolve_config
from lmctl.jobs.train.request import unchanged_generation
from lmctl.jobs.train.signals import listening_for_signals
from lmctl.jobs.train.training_job import TrainingJob
from lmctl.store.generations import ModelFolder
from lmctl.training.events import Watch
from lmctl.training.loading import load_tensorflow

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lmctl.config import Config, Settings
    from lmctl.jobs.train.signals import Signals
    from lmctl.jobs.train.training_job import Policies
    from lmctl.training.devices import Device

logger = logging.getLogger(__name__)


def joined_device(
    corpus: PreparedCorpus, config: Config, policies: Policies, signals: Signals, next_time: str
) -> Device | None:
    """Wait for the other workers; None if this process trains alone.

    Args:
        corpus: the prepared corpus.
        config: the resolved configuration.
        policies: options of the run, with the workers.
        signals: the signals that end the run.
        next_time: what the same command does after an interruption; see `Signals.raise_if_received`.

    Returns:
        The devices of all workers.

    Raises:
        InterruptedRunError: a signal has ended the wait.
        WorkerLostError: a worker did not come in time.
        LmctlError: this worker's address cannot be used, or workers have different inputs.
    """
    cluster = policies.cluster
    if cluster is None:
        return None
    progress.tell("loading TensorFlow")
    load_tensorflow(verbose=policies.verbose)
    # Deferred: TensorFlow is loaded after the inputs have been checked.
    from lmctl.training.run import device_for

    progress.tell(f"waiting for {len(cluster) - 1} other worker{'s' if len(cluster) > 2 else ''}")
    try:
        return device_for(corpus, config, cluster, signals.received)
    except WorkerLostError:
        # A signal ends the wait, too.
        signals.raise_if_received(next_time)
        raise


def assist(sources: Sequence[str], model: Path | None, settings: Settings, policies: Policies) -> None:
    """Train with the chief, as one of its workers. Nothing is written.

    Args:
        sources: one prepared folder.
        model: the model folder. It need not exist on this host.
        settings: the settings of the user, as those of the chief.
        policies: options of the run, with the workers; this process is not the chief.

    Raises:
        InterruptedRunError: a signal has arrived here.
        WorkerLostError: another worker is missing, has stopped or was interrupted.
        LmctlError: an input is missing, a setting is invalid, or differs from that of the chief.
    """
    job = TrainingJob.of(sources, model, settings, policies)
    job.check_inputs()
    job.check_requirements()
    if not policies.force and unchanged_generation(ModelFolder(job.model), job.sources, job.settings) is not None:
        logger.info("%s: nothing has changed since it was trained", job.model)
        return
    corpus = PreparedCorpus.open(Path(sources[0]))
    config = resolve_config(settings, corpus, None)
    with listening_for_signals() as signals:
        device = joined_device(corpus, config, policies, signals, "waits for the others again")
        from lmctl.training.run import train_network

        progress.tell("training with the chief")
        result = train_network(corpus, config, watch=Watch(interrupted=signals.received), device=device)
        signals.raise_if_received("on all hosts continues")
        if result is None and device is not None and device.link is not None:
            device.link.check_not_interrupted()
