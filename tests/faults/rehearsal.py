"""A simulated training that takes no time: it keeps the promises of the trainer with simple arithmetic.

It replaces `lmctl.training.run` in tests of faults outside of TensorFlow. It saves a checkpoint after every
step and continues from a checkpoint. Its final weights show whether every step was done once, in order.
"""

from __future__ import annotations

import math
import sys
import time
import types
from typing import TYPE_CHECKING, Any

import numpy as np

from lmctl.families.lstm.sizes import LSTMSizes
from lmctl.families.lstm.weights import weight_shapes
from lmctl.store.model_record import TrainingSummary
from lmctl.training.checkpoint import Checkpoint, Progress
from lmctl.training.events import EpochDone
from lmctl.training.moments import summarize
from lmctl.training.result import TrainingResult

if TYPE_CHECKING:
    from lmctl.config import Config
    from lmctl.corpus.prepared import PreparedCorpus
    from lmctl.training.events import Watch

STEPS = 2
MODULE = "lmctl.training.run"
DEVICE = "rehearsal"


def train_network(
    corpus: PreparedCorpus,
    config: Config,
    *,
    resume_from: Checkpoint | None = None,
    watch: Watch,
    **_others: Any,
) -> TrainingResult | None:
    """Weights that start from the seed. Every step changes each weight w to w / 2 + step."""
    sizes = LSTMSizes.of(corpus.vocabulary.counts, config.model)
    generator = np.random.default_rng(config.training.seed)
    weights = {
        name: generator.normal(size=shape).astype(np.float32) * np.float32(config.training.init_scale)
        for name, shape in weight_shapes(sizes).items()
    }
    history: list[EpochDone] = []
    first = 0
    if resume_from is not None:
        first, history = resume_from.progress.step, list(resume_from.progress.history)
        weights = resume_from.part("weights")
    for step in range(first, STEPS):
        weights = {name: weight / np.float32(2) + np.float32(1e-4 * step) for name, weight in weights.items()}
        if step + 1 == STEPS:
            # Times differ from run to run, as in a real training.
            history.append(_epoch(step + 1, len(corpus.train), seconds=time.perf_counter()))
        watch.save(Checkpoint(_progress(step + 1, history), {f"weights/{n}": w for n, w in weights.items()}))
        if watch.interrupted():
            return None
    summary = TrainingSummary(
        preset=config.preset,
        seed=config.training.seed,
        epochs=len(history),
        best_epoch=1,
        steps=STEPS,
        planned_steps=None,
        tokens=len(corpus.train),
        parameters=sum(weight.size for weight in weights.values()),
        device=DEVICE,
    )
    return TrainingResult(
        summary,
        sizes,
        weights,
        summarize({name: weight**2 for name, weight in weights.items()}, STEPS),
        history,
        valid_cross_entropy_nats=2.0,
        valid_tokens=len(corpus.valid),
    )


def _epoch(step: int, tokens: int, seconds: float) -> EpochDone:
    return EpochDone(
        epoch=1,
        step=step,
        tokens=tokens,
        learning_rate=0.1,
        train_perplexity=9.0,
        valid_perplexity=math.exp(2.0),
        best=True,
        tokens_per_second=tokens / seconds,
        seconds=seconds,
    )


def _progress(step: int, history: list[EpochDone]) -> Progress:
    return Progress(
        epoch=len(history),
        epoch_steps=0,
        epoch_tokens=0,
        epoch_nats=0.0,
        epoch_seconds=0.0,
        step=step,
        tokens=0,
        planned_steps=None,
        rate=0.1,
        decays=0,
        best_nats=2.0,
        best_epoch=len(history),
        epochs_without_improvement=0,
        average_updates=0,
        seconds=0.0,
        device=DEVICE,
        history=history,
    )


def install() -> None:
    """Replace the trainer and TensorFlow in this process."""
    import lmctl.jobs.train.fitting
    import lmctl.jobs.train.training_job

    trainer = types.ModuleType(MODULE)
    trainer.train_network = train_network  # type: ignore[attr-defined]
    sys.modules[MODULE] = trainer
    lmctl.jobs.train.fitting.load_tensorflow = lambda **_options: None
    lmctl.jobs.train.training_job.require_tensorflow = lambda: None
