"""One training on the configured device."""

from __future__ import annotations

import dataclasses
import logging
import time
from typing import TYPE_CHECKING, Any

import tensorflow as tf

from lmctl import progress
from lmctl.errors import LmctlError, UsageError
from lmctl.training.devices import use_device
from lmctl.training.events import Watch
from lmctl.training.hosts.start import Start, join_workers, share_start
from lmctl.training.setup import Setup
from lmctl.training.trainer import Trainer

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from numpy.typing import NDArray

    from lmctl.arrays import Float32Array
    from lmctl.config import Config
    from lmctl.corpus.batches import TokenStream
    from lmctl.corpus.prepared import PreparedCorpus
    from lmctl.training.checkpoint import Checkpoint
    from lmctl.training.devices import Device
    from lmctl.training.hosts.cluster import Cluster
    from lmctl.training.result import TrainingResult
    from lmctl.training.time_limit import TimeLimit

logger = logging.getLogger(__name__)


def train_network(
    corpus: PreparedCorpus,
    config: Config,
    *,
    time_limit: TimeLimit | None = None,
    initial_weights: Mapping[str, Float32Array] | None = None,
    initial_moments: Mapping[str, NDArray[Any]] | None = None,
    stream: TokenStream | None = None,
    resume_from: Checkpoint | None = None,
    may_start_over: bool = True,
    watch: Watch | None = None,
    device: Device | None = None,
) -> TrainingResult | None:
    """Train a network on a prepared corpus, as configured, on the configured device.

    Args:
        corpus: the id streams; without validation tokens there is no early stopping.
        config: the resolved configuration.
        time_limit: the time limit; None: there is none.
        initial_weights: weights to start from, by the names that they have in a bundle; None: random weights.
        initial_moments: second moments to start from (`training.moments`), if this process trains alone; None: the
            optimizer starts anew.
        stream: the text of an epoch, in the ids of the corpus; None: the training text of the corpus.
        resume_from: checkpoint of a run with the same corpus and configuration. The result is then, byte for byte,
            the result of a run without interruption.
        may_start_over: whether to start over if the checkpoint is from another device, which sums differently.
        watch: callbacks; None: no callbacks.
        device: the device, if it is set up already; None: it is set up here. Of a worker that is not the chief,
            the chief's time limit, weights, checkpoint and times of checkpoints hold, in place of these.

    Returns:
        The result; None if training was interrupted.

    Raises:
        UsageError: the checkpoint is from another device, and training may not start over.
        DataError: the checkpoint does not fit the network.
        DivergenceError: the loss or its perplexity is infinite or NaN.
        DeviceError: the configured device does not exist.
        OutOfTimeError: the time was over before the first step.
        WorkerLostError: another worker is missing or has stopped.
        LmctlError: there is too little memory.
    """
    device = device or device_for(corpus, config)
    if resume_from is not None and resume_from.progress.device != device.description:
        before = resume_from.progress.device
        if not may_start_over:
            raise UsageError(
                f"--resume require: the checkpoint is from {before}, but this run is on {device.description}"
            )
        logger.warning(
            "the checkpoint is from %s, but this run is on %s; starting over", before, device.description
        )
        resume_from = None
    watch = watch or Watch()
    start = Start(time_limit, initial_weights, resume_from, watch.save_every_seconds, watch.curve_points)
    if device.link is not None:
        start = share_start(device.link, start)
    watch = dataclasses.replace(
        watch, save_every_seconds=start.save_every_seconds, curve_points=start.curve_points
    )
    try:
        with device.scope():
            clock = time.monotonic if start.time_limit is None else start.time_limit.clock
            progress.tell("making the network")
            setup = Setup.of(corpus, config, device, start.initial_weights, clock, stream, initial_moments)
            return Trainer(setup, watch, start.time_limit, start.resume_from).run()
    except (MemoryError, tf.errors.ResourceExhaustedError) as error:
        raise LmctlError(
            f"out of memory on {device.description}; set a smaller training.batch_size, vocabulary.size or network"
        ) from error


def device_for(
    corpus: PreparedCorpus,
    config: Config,
    cluster: Cluster | None = None,
    interrupted: Callable[[], bool] = lambda: False,
) -> Device:
    """Set up the configured device for the network that is configured for a corpus.

    Args:
        corpus: the corpus; its vocabulary decides the size of the network.
        config: the resolved configuration.
        cluster: the workers that train together, which are waited for; None: this process trains alone.
        interrupted: whether a signal has asked this process to end.

    Raises:
        DeviceError: the configured device does not exist.
        AddressError: the port of this worker is taken, or its host is not this machine.
        WorkerLostError: a worker did not come in time.
        UsageError: a worker has other inputs, or two processes are the same worker.
        LmctlError: TensorFlow already runs in this process with other settings.
    """
    family, weights = config.family, 0
    if "device.precision" not in family.without_effect:
        weights = family.count_parameters(family.sizes_of(corpus.vocabulary.counts, config.model)) or 0
    device = use_device(config.device, weights, alone=cluster is None)
    return device if cluster is None else join_workers(device, cluster, corpus, config, interrupted)
