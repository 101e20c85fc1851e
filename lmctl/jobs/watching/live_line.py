"""Training in a line of text, for displays."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from lmctl.estimates import duration

if TYPE_CHECKING:
    from lmctl.training.events import EpochDone, StepDone


def live_line(event: StepDone) -> str:
    """How far the epoch is, its speed and its figures, and the time that is left."""
    left = "" if event.seconds_left is None else f"  {duration(event.seconds_left)} left"
    return (
        f"epoch {event.epoch}/{event.epochs}  {100 * event.epoch_tokens / event.tokens_per_epoch:3.0f} %  "
        f"{event.tokens_per_second:,.0f} tokens/s  {figures_of(event, digits=1)}{left}"
    )


def figures_of(event: StepDone | EpochDone, digits: int) -> str:
    """The figures of training: perplexities, or masked cross-entropies of a network that fills gaps."""
    name, train, valid = "perplexity", event.train_perplexity, event.valid_perplexity
    if event.train_masked_cross_entropy_nats is not None:
        name, digits = "masked cross-entropy (nats)", 3
        train, valid = event.train_masked_cross_entropy_nats, event.valid_masked_cross_entropy_nats
    of_valid = "" if valid is None else f", valid {valid:.{digits}f}"
    return f"{name}: train {comparable(train):.{digits}f}{of_valid}"


def comparable(value: float | None) -> float:
    """A figure that can be compared: infinity if it is missing or not a number."""
    return math.inf if value is None or math.isnan(value) else value
