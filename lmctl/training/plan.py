"""How much training there is to be: epochs, a number of steps, or what a time limit leaves."""

from __future__ import annotations

import logging
import math
from typing import TYPE_CHECKING

from lmctl.errors import OutOfTimeError

if TYPE_CHECKING:
    from lmctl.config import TrainingConfig
    from lmctl.training.checkpoint import Progress
    from lmctl.training.time_limit import TimeLimit

logger = logging.getLogger(__name__)


class Plan:
    """How much training there is to be, and how much of it is done.

    Args:
        training: epochs, batch_size, num_steps.
        tokens_per_epoch: targets of the training text.
        progress: of the run; a time limit changes its `planned_steps`.
        time_limit: None if there is none.
    """

    def __init__(
        self, training: TrainingConfig, tokens_per_epoch: int, progress: Progress, time_limit: TimeLimit | None
    ) -> None:
        self._epochs = training.epochs
        self._progress = progress
        self.tokens_per_epoch = tokens_per_epoch
        self.time_limit = time_limit
        self._steps_per_epoch = tokens_per_epoch / (training.batch_size * training.num_steps)

    @property
    def epochs(self) -> int:
        """How many epochs it is, the last one perhaps in part."""
        planned = self._progress.planned_steps
        return self._epochs if planned is None else math.ceil(planned / self._steps_per_epoch)

    @property
    def steps(self) -> float:
        """How many steps it is, about."""
        return self._progress.planned_steps or self._epochs * self._steps_per_epoch

    @property
    def share_done(self) -> float:
        """How much of it is done, 0 to 1."""
        progress = self._progress
        if progress.planned_steps is not None:
            return progress.step / progress.planned_steps
        return (progress.epoch + progress.epoch_tokens / self.tokens_per_epoch) / self._epochs

    def is_done(self) -> bool:
        """Whether there is no more to do.

        Raises:
            OutOfTimeError: the time is over, and not one step is done.
        """
        if self.time_limit is not None and self.time_limit.is_over():
            if not self._progress.step:
                raise too_late(self.time_limit)
            return True
        if self._progress.planned_steps is not None:
            return self._progress.step >= self._progress.planned_steps
        return self._progress.epoch >= self._epochs

    def fit_to_limit(self, time_limit: TimeLimit, steps_per_epoch: float, validation_seconds: float) -> None:
        """Turn a time limit, whose speed was measured, into a number of steps.

        Args:
            time_limit: what it leaves.
            steps_per_epoch: as measured: restarts cut segments short, so there are more than full ones would make.
            validation_seconds: what a validation takes.
        """
        self._steps_per_epoch = steps_per_epoch
        planned = time_limit.plan(steps_per_epoch, validation_seconds)
        # A limit that leaves time for all there is to do changes nothing.
        if planned >= self.steps:
            return
        self._progress.planned_steps = planned
        epochs = planned / steps_per_epoch
        leaves = f"the time limit leaves {planned:,} step{'' if planned == 1 else 's'}, {epochs:.2g} epochs"
        if epochs >= 1:
            logger.info("%s", leaves)
        else:
            logger.warning("%s; a longer training.time_limit or a smaller preset trains more", leaves)

    def keep_to_limit(self) -> None:
        """Plan fewer steps if the machine has become slower, so that the learning rate still falls to its end."""
        if self.time_limit is None:
            return
        planned = math.ceil(self.steps)
        possible = self.time_limit.shortened(self._progress.step, planned, self._steps_per_epoch)
        if possible < planned:
            shortened = max(possible, self._progress.step)
            self._progress.planned_steps = shortened
            logger.info("the machine has become slower: %d steps in place of %d", shortened, planned)


def too_late(time_limit: TimeLimit) -> OutOfTimeError:
    """The error of a run whose time is over before its first step."""
    return OutOfTimeError(
        f"training.time_limit leaves no time to train: {max(time_limit.left_seconds(), 0):.0f} s are left after "
        f"preparing the text and loading TensorFlow, beside {time_limit.seconds_after:.0f} s for scoring and "
        "publishing the model; nothing was published; a longer training.time_limit or a smaller preset leaves "
        "time to train"
    )
