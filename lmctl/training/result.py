"""The result of training."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from lmctl.arrays import Float32Array
    from lmctl.store.model_record import TrainingSummary
    from lmctl.training.events import EpochDone


@dataclass(frozen=True, slots=True)
class TrainingResult:
    """The result of training: the weights of the best epoch, and the history.

    Attributes:
        summary: summary of the training for model.json.
        sizes: dimensions of the network.
        weights: weights of the best epoch, by name.
        moments: second moments of the optimizer after the last step, for a warm start (`training.moments`); None:
            it has none.
        history: a record for each epoch.
        valid_cross_entropy_nats: nats per token of the validation text in the best epoch; None if there is no
            validation text.
        valid_tokens: number of tokens of the validation text that this is of.
    """

    summary: TrainingSummary
    sizes: Any
    weights: dict[str, Float32Array]
    moments: dict[str, NDArray[Any]] | None
    history: list[EpochDone]
    valid_cross_entropy_nats: float | None
    valid_tokens: int
