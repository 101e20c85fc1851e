"""What training leaves."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lmctl.arrays import Float32Array
    from lmctl.store.model_record import TrainingSummary
    from lmctl.training.events import EpochDone


@dataclass(frozen=True, slots=True)
class TrainingResult:
    """What training leaves: the best weights and how they came about.

    Attributes:
        summary: what a bundle says of it.
        sizes: of the network.
        weights: of the best epoch, by name.
        history: every epoch.
        valid_cross_entropy_nats: of the validation text, in the best epoch; None if there is no text.
        valid_tokens: how many tokens of the validation text were scored.
    """

    summary: TrainingSummary
    sizes: Any
    weights: dict[str, Float32Array]
    history: list[EpochDone]
    valid_cross_entropy_nats: float | None
    valid_tokens: int
