"""The planned length of training: epochs, a number of steps, or the steps that fit in a time limit."""

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

# The first change of a plan by a time limit is logged, and then each that makes it longer or shorter by this
# share.
LOGGED_CHANGE = 0.1


class Plan:
    """The planned length of training, and the share that is done.

    Args:
        training: the keys epochs, steps, batch_size and num_steps are used.
        tokens_per_epoch: number of targets in the training text.
        progress: the progress of the run; a time limit changes its `planned_steps`.
        time_limit: None if there is none.
    """

    def __init__(
        self, training: TrainingConfig, tokens_per_epoch: int, progress: Progress, time_limit: TimeLimit | None
    ) -> None:
        self._epochs = training.epochs
        self._asked_steps = training.steps
        self._progress = progress
        self.tokens_per_epoch = tokens_per_epoch
        self.time_limit = time_limit
        self._steps_per_epoch = tokens_per_epoch / (training.batch_size * training.num_steps)
        self._logged_steps: int | None = None

    @property
    def epochs(self) -> int:
        """Number of planned epochs; the last one may be only a part."""
        planned = self._progress.planned_steps
        return self._epochs if planned is None else math.ceil(planned / self._steps_per_epoch)

    @property
    def steps(self) -> float:
        """Number of planned steps; an estimate if epochs are planned."""
        return self._progress.planned_steps or self._epochs * self._steps_per_epoch

    @property
    def share_done(self) -> float:
        """Share of the plan that is done, 0 to 1."""
        progress = self._progress
        if progress.planned_steps is not None:
            return progress.step / progress.planned_steps
        return (progress.epoch + progress.epoch_tokens / self.tokens_per_epoch) / self._epochs

    def is_done(self) -> bool:
        """Return whether the plan is done, or the time is over.

        Raises:
            OutOfTimeError: the time is over before the first step.
        """
        if self.time_limit is not None and self.time_limit.is_over():
            if not self._progress.step:
                raise too_late(self.time_limit)
            return True
        if self._progress.planned_steps is not None:
            return self._progress.step >= self._progress.planned_steps
        return self._progress.epoch >= self._epochs

    def fit_to_limit(self, time_limit: TimeLimit, steps_per_epoch: float, validation_seconds: float) -> None:
        """Plan the number of steps that fit in a time limit, after the speed has been measured.

        Args:
            time_limit: the time limit, with its measured speed.
            steps_per_epoch: the measured number. It is larger than for full segments, because restarts cut
                segments short.
            validation_seconds: time that a validation takes.
        """
        self._steps_per_epoch = steps_per_epoch
        planned = time_limit.plan(steps_per_epoch, validation_seconds)
        # A limit that leaves time for the whole plan does not change the plan.
        if planned >= self.steps:
            return
        self._progress.planned_steps = planned
        epochs = planned / steps_per_epoch
        leaves = (
            f"the time limit leaves time for {planned:,} step{'' if planned == 1 else 's'}, {epochs:.2g} epochs"
        )
        if epochs >= 1:
            logger.info("%s", leaves)
        else:
            logger.warning("%s; set a longer time limit or a smaller preset to train for longer", leaves)

    def keep_to_limit(self) -> None:
        """Plan fewer steps if the machine has become slower, or more if it has become faster.

        The learning rate then falls to zero when the time is over, and no earlier. A plan never becomes longer
        than it would be without a limit.
        """
        if self.time_limit is None:
            return
        planned = math.ceil(self.steps)
        unlimited = self._asked_steps or math.ceil(self._epochs * self._steps_per_epoch)
        possible = self.time_limit.replanned(
            self._progress.step, planned, self._steps_per_epoch, self._progress.epoch_steps
        )
        if possible > planned:
            # The steps of all epochs are an estimate, which shortens no plan.
            possible = max(planned, min(possible, unlimited))
        if possible == planned:
            return
        possible = max(possible, self._progress.step)
        self._progress.planned_steps = possible
        if self._logged_steps is None or abs(possible / self._logged_steps - 1) >= LOGGED_CHANGE:
            self._logged_steps = possible
            change = "slower" if possible < planned else "faster"
            logger.info(
                "the machine has become %s: %d steps are planned in place of %d", change, possible, planned
            )


def too_late(time_limit: TimeLimit) -> OutOfTimeError:
    """Return the error for a run whose time is over before its first step."""
    return OutOfTimeError(
        f"training.time_limit leaves no time to train: {max(time_limit.left_seconds(), 0):.0f} s are left after "
        "preparing the text and loading TensorFlow, and publishing the model takes at least "
        f"{time_limit.seconds_needed:.0f} s; set a longer training.time_limit or a smaller preset"
    )
