"""The interface of a network that is trained: `Network`, and the arguments that make one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lmctl.arrays import Float32Array, IntArray


class Network(Protocol):
    """The interface of a network that `training/` trains. Tensors are TensorFlow's.

    Axes: T time, B batch. A batch has B columns; each column is a text of its own, read T tokens at a time. The
    network carries a state for each column from one segment of T tokens to the next. A state is any structure of
    tensors (tf.nest) of any dtype.

    Attributes:
        batch_axis: the axis of length B in every tensor of a state.
        column_groups: into how many groups a processor divides the columns, to compute them at the same time. 1:
            most of the work of a step does not depend on the columns, and groups would repeat it.
    """

    batch_axis: int
    column_groups: int

    def named_weights(self) -> dict[str, Any]:
        """All trainable tf.Variables, by the names of the weights in a bundle."""
        ...

    def export_weights(self) -> dict[str, Float32Array]:
        """The values of `named_weights`, float32, by name. They may be views that cannot be written to.

        Later updates of the variables do not change them.
        """
        ...

    def import_weights(self, weights: Mapping[str, Float32Array]) -> None:
        """Set the variables to values that `export_weights` returned."""
        ...

    def null_state(self, batch: int) -> Any:
        """The state before the first token, for B = `batch` columns."""
        ...

    def restarted(self, state: Any, restart: Any) -> Any:
        """The state with the null state in every column of which `restart`, (B,) bool, is true."""
        ...

    def cross_entropy(self, inputs: Any, targets: Any, state: Any, dropout_seed: Any) -> tuple[Any, Any]:
        """Compute the loss of a segment.

        Args:
            inputs: token ids, (T, B) int32.
            targets: the id of the token after each input, (T, B) int32.
            state: the state of each column before the first input.
            dropout_seed: two integers from which all random numbers of a training step follow; the second is the
                number of the step, from 0. None: the network is not trained, but validated, without dropout.

        Returns:
            Cross-entropy of each target in nats, (T, B) float32, and the state after the last input. In training,
            a network may return another loss, whose sum over a sentence is minimised. A network that fills gaps
            chooses the positions that it predicts, and returns their mean at every position.
        """
        ...


@dataclass(frozen=True, slots=True)
class NetworkOptions:
    """Arguments of `Family.network` beside sizes and configuration.

    Attributes:
        init_scale: word vectors are drawn uniformly from [-init_scale, init_scale].
        seed: all initial weights follow from it.
        precision: "float32" or "mixed_bfloat16".
        is_gpu: whether the network is trained on a GPU.
        token_ids: the training text, (N,), for a family whose network depends on it.
    """

    init_scale: float
    seed: int
    precision: str
    is_gpu: bool
    token_ids: IntArray
