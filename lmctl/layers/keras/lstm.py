"""An LSTM layer that trains fast on a processor: a loop forward, a loop backward, and matrix products outside.

Automatic differentiation adds a product of two thin matrices to the gradient of both weight matrices at every
step. Here the loop backward computes only the gradients of outputs and cells, and stores the gradients of the
gates. The gradients of the weights and of the inputs are then one matrix product each, over all steps.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import keras
import tensorflow as tf

from lmctl.layers.keras import time_loops
from lmctl.layers.keras.products import product

if TYPE_CHECKING:
    from lmctl.layers.keras.initial_weights import InitialWeights


class LSTM(keras.layers.LSTM):  # type: ignore[misc]
    """`keras.layers.LSTM` with the method `scan`, which gives the same results and gradients.

    `call` is Keras's own; on a GPU it uses cuDNN, which is even faster. The layout of the weights is Keras's:
    kernel (E, 4H), recurrent kernel (H, 4H), bias (4H,), gates in the order input, forget, candidate, output.

    Args:
        units: H.
        options: arguments of keras.layers.LSTM. Activations, masks and dropout must have their defaults.
    """

    def __init__(self, units: int, **options: Any) -> None:
        super().__init__(units, return_sequences=True, return_state=True, **options)

    @classmethod
    def initialized(cls, name: str, width: int, units: int, initial: InitialWeights, policy: Any) -> LSTM:
        """Make a layer with random weights: Glorot's uniform kernel, and an orthogonal recurrent kernel.

        Args:
            name: name of the Keras layer.
            width: E.
            units: H.
            initial: the seeds of the network.
            policy: the dtype policy.
        """
        layer = cls(
            units,
            kernel_initializer=keras.initializers.GlorotUniform(seed=initial.seed()),
            recurrent_initializer=keras.initializers.Orthogonal(seed=initial.seed()),
            dtype=policy,
            name=name,
        )
        layer.build((None, None, width))
        return layer

    def scan(
        self, inputs: Any, hidden: Any, cell: Any, *, recurrent_kernel: Any = None, compiled: bool = False
    ) -> tuple[Any, Any, Any]:
        """Run over a segment, time first.

        Args:
            inputs: (T, B, E) float32.
            hidden: output before the first step, (B, H) float32.
            cell: cell before the first step, (B, H) float32.
            recurrent_kernel: replaces the recurrent kernel of the layer, (H, 4H), for dropout of its entries;
                None: the kernel of the layer.
            compiled: whether XLA compiles the loops. This is faster if one shape occurs many times, and possible
                only within a tf.function.

        Returns:
            Outputs (T, B, H), last output (B, H) and last cell (B, H), all float32.
        """
        if recurrent_kernel is None:
            recurrent_kernel = tf.convert_to_tensor(self.cell.recurrent_kernel)
        forward, backward = (_FORWARD_COMPILED, _BACKWARD_COMPILED) if compiled else (_forward, _backward)
        dtype = self.compute_dtype

        @tf.custom_gradient  # type: ignore[untyped-decorator]
        def run(inputs: Any, hidden: Any, cell: Any, kernel: Any, recurrent_kernel: Any, bias: Any) -> Any:
            scores = time_loops.by_time(product(time_loops.rows(inputs), kernel, dtype) + bias, inputs)
            outputs, last_cell, made = forward(scores, hidden, cell, recurrent_kernel)

            def gradient(d_outputs: Any, d_hidden: Any, d_cell: Any) -> Any:
                d_scores, d_hidden, d_cell = backward(made, recurrent_kernel, d_outputs, d_hidden, d_cell)
                d_scores = time_loops.rows(d_scores)
                earlier_outputs = time_loops.rows(tf.concat([hidden[None], outputs[:-1]], axis=0))
                return (
                    time_loops.by_time(product(d_scores, kernel, dtype, transpose_b=True), inputs),
                    d_hidden,
                    d_cell,
                    product(time_loops.rows(inputs), d_scores, dtype, transpose_a=True),
                    product(earlier_outputs, d_scores, dtype, transpose_a=True),
                    tf.reduce_sum(d_scores, axis=0),
                )

            return (outputs, outputs[-1], last_cell), gradient

        kernel, bias = tf.convert_to_tensor(self.cell.kernel), tf.convert_to_tensor(self.cell.bias)
        return run(inputs, hidden, cell, kernel, recurrent_kernel, bias)  # type: ignore[no-any-return]

    def call_time_first(self, inputs: Any, hidden: Any, cell: Any) -> tuple[Any, Any, Any]:
        """Keras's own `call`, with the arguments and results of `scan`."""
        dtype = self.compute_dtype
        start = [tf.cast(hidden, dtype), tf.cast(cell, dtype)]
        outputs, hidden, cell = self(tf.cast(tf.transpose(inputs, (1, 0, 2)), dtype), initial_state=start)
        outputs = tf.transpose(outputs, (1, 0, 2))
        return tf.cast(outputs, tf.float32), tf.cast(hidden, tf.float32), tf.cast(cell, tf.float32)

    def projected(self, inputs: Any) -> Any:
        """The contribution of inputs (N, E) to the gates before their activations, bias included, (N, 4H)."""
        kernel, bias = tf.convert_to_tensor(self.cell.kernel), tf.convert_to_tensor(self.cell.bias)
        return product(inputs, kernel, self.compute_dtype) + bias

    def step(self, scores: Any, hidden: Any, cell: Any) -> tuple[Any, Any]:
        """Run one step.

        Args:
            scores: `projected` inputs, (N, 4H).
            hidden: output before the step, (N, H).
            cell: cell before the step, (N, H).

        Returns:
            Output and cell after the step, (N, H) each.
        """
        recurrent_kernel = tf.convert_to_tensor(self.cell.recurrent_kernel)
        hidden, cell, _ = _step(scores + tf.matmul(hidden, recurrent_kernel), cell)
        return hidden, cell


def _forward(scores: Any, hidden: Any, cell: Any, recurrent_kernel: Any) -> tuple[Any, Any, Any]:
    """The loop forward, with the part of the computation that depends on the previous step.

    Args:
        scores: contribution of the inputs to the gates before their activations, (T, B, 4H).
        hidden: output before the first step, (B, H).
        cell: cell before the first step, (B, H).
        recurrent_kernel: (H, 4H).

    Returns:
        Outputs (T, B, H), the last cell (B, H), and what `_backward` needs of each step, (T, B, 6H).
    """
    (steps, _), batch, units = time_loops.times(scores), scores.shape[1], recurrent_kernel.shape[0]
    scores = time_loops.array(scores)

    def step(time: Any, hidden: Any, cell: Any, made: Any) -> Any:
        hidden, cell, parts = _step(scores.read(time) + tf.matmul(hidden, recurrent_kernel), cell)
        return time + 1, hidden, cell, made.write(time, parts)

    # One array, because XLA fills several at the same time, on other threads, and the loop then runs on the thread
    # that fills the last one. There the loops of all groups of columns would wait for each other.
    *_, cell, made = tf.while_loop(
        lambda time, *_: time < steps,
        step,
        (0, hidden, cell, time_loops.empty(steps, batch, 6 * units)),
        parallel_iterations=1,
        maximum_iterations=steps,
    )
    made = made.stack()
    *_, output_gates, _, squashed = tf.split(made, 6, axis=2)
    return output_gates * squashed, cell, made


def _step(sums: Any, cell: Any) -> tuple[Any, Any, Any]:
    """One step.

    Args:
        sums: gates before their activations, (N, 4H).
        cell: cell before the step, (N, H).

    Returns:
        Output and cell after the step, (N, H) each. The input gate, the forget gate, the candidate and the output
        gate, the cell before the step, and tanh of the cell after it, side by side, (N, 6H).
    """
    input_gate, forget_gate, candidate, output_gate = tf.split(sums, 4, axis=1)
    input_gate, forget_gate, output_gate = map(tf.sigmoid, (input_gate, forget_gate, output_gate))
    candidate = tf.tanh(candidate)
    after = forget_gate * cell + input_gate * candidate
    squashed = tf.tanh(after)
    parts = tf.concat([input_gate, forget_gate, candidate, output_gate, cell, squashed], axis=1)
    return output_gate * squashed, after, parts


def _backward(
    made: Any, recurrent_kernel: Any, d_outputs: Any, d_hidden: Any, d_cell: Any
) -> tuple[Any, Any, Any]:
    """The loop backward.

    Args:
        made: of `_forward`, (T, B, 6H).
        recurrent_kernel: (H, 4H).
        d_outputs: gradient of the outputs, (T, B, H).
        d_hidden: further gradient of the last output, (B, H).
        d_cell: gradient of the last cell, (B, H).

    Returns:
        Gradients of the scores, (T, B, 4H), of the initial output and of the initial cell, (B, H) each.
    """
    (steps, _), batch, units = time_loops.times(d_outputs), d_outputs.shape[1], recurrent_kernel.shape[0]
    made, d_outputs = time_loops.array(made), time_loops.array(d_outputs)
    recurrent_transposed = tf.transpose(recurrent_kernel)

    def step(time: Any, d_hidden: Any, d_cell: Any, d_scores: Any) -> Any:
        input_gate, forget_gate, candidate, output_gate, before, squashed = tf.split(made.read(time), 6, axis=1)
        d_hidden += d_outputs.read(time)
        d_cell += d_hidden * output_gate * (1 - squashed * squashed)
        d_sums = tf.concat(
            [
                d_cell * candidate * input_gate * (1 - input_gate),
                d_cell * before * forget_gate * (1 - forget_gate),
                d_cell * input_gate * (1 - candidate * candidate),
                d_hidden * squashed * output_gate * (1 - output_gate),
            ],
            axis=1,
        )
        d_hidden = tf.matmul(d_sums, recurrent_transposed)
        return time - 1, d_hidden, d_cell * forget_gate, d_scores.write(time, d_sums)

    _, d_hidden, d_cell, d_scores = tf.while_loop(
        lambda time, *_: time >= 0,
        step,
        (steps - 1, d_hidden, d_cell, time_loops.empty(steps, batch, 4 * units)),
        parallel_iterations=1,
        maximum_iterations=steps,
    )
    return d_scores.stack(), d_hidden, d_cell


_FORWARD_COMPILED = tf.function(_forward, jit_compile=True, autograph=False)
_BACKWARD_COMPILED = tf.function(_backward, jit_compile=True, autograph=False)
