"""A layer of a linear recurrent network for training: one product, and two loops that touch vectors alone.

`layers/linear_recurrence.py` is the same layer in NumPy, for queries.
"""

from __future__ import annotations

from functools import cache, partial
from typing import TYPE_CHECKING, Any

import keras
import numpy as np
import tensorflow as tf

from lmctl.layers.keras import time_loops
from lmctl.layers.keras.products import product
from lmctl.layers.linear_cells import CellShape, shape_of_cell

if TYPE_CHECKING:
    from collections.abc import Callable

    from lmctl.layers.keras.initial_weights import InitialWeights
    from lmctl.layers.linear_cells import Cell

# The first bias of f, so that a state first keeps sigmoid(1) = 73 % of itself.
FORGET_BIAS = 1.0


class LinearRecurrence(keras.layers.Layer):  # type: ignore[misc]
    """A layer (`layers/linear_cells.py`).

    Args:
        cell: the kind of the cell.
        width: D, the length of an input.
        units: H.
        initial: the initial weights.
        dtype: type of the factors of the product.
    """

    def __init__(self, cell: Cell, width: int, units: int, *, initial: InitialWeights, dtype: str) -> None:
        super().__init__(dtype="float32")
        self.cell_shape = shape_of_cell(cell, width, units)
        self._cell = cell
        self._product_dtype = dtype
        columns = self.cell_shape.blocks * units
        self.kernel = self.add_weight(
            shape=(self.cell_shape.rows, columns),
            initializer=keras.initializers.GlorotUniform(seed=initial.seed()),
        )
        self.bias = self.add_weight(shape=(columns,), initializer="zeros")
        self.bias.assign(np.repeat([0.0, FORGET_BIAS, *[0.0] * (self.cell_shape.blocks - 2)], units))
        self.built = True

    def scan(
        self, inputs: Any, state: Any, previous: Any, *, updates: Any = None, compiled: bool = False
    ) -> tuple[Any, Any]:
        """Run over a segment, time first.

        Args:
            inputs: (T, B, D) float32.
            state: c before the first step, (B, H) float32.
            previous: the input before the first step, (B, D); read only if the window is 2.
            updates: multiplies 1 - f, which is zoneout; broadcast to (T, B, H). None: no zoneout.
            compiled: whether XLA compiles the loops; possible only within a tf.function.

        Returns:
            Outputs (T, B, H) and the last c (B, H), float32.
        """
        read = inputs
        if self.cell_shape.window == 2:
            read = tf.concat([tf.concat([previous[None], inputs[:-1]], axis=0), inputs], axis=2)
        kernel, bias = tf.convert_to_tensor(self.kernel), tf.convert_to_tensor(self.bias)
        blocks = time_loops.by_time(product(time_loops.rows(read), kernel, self._product_dtype) + bias, inputs)
        # The parts of the computation whose gradients are not needed are zeros and ones that broadcast.
        skip = tf.zeros(()) if self.cell_shape.projects_skip or not self.cell_shape.has_skip else inputs
        updates = tf.ones(()) if updates is None else updates
        forward, backward = (
            _compiled(self._cell, self.cell_shape) if compiled else _loops(self._cell, self.cell_shape)
        )

        @tf.custom_gradient  # type: ignore[untyped-decorator]
        def run(blocks: Any, skip: Any, state: Any) -> Any:
            states = forward(blocks, state, updates)
            made = _outputs(self.cell_shape, blocks, skip, states)

            def gradient(d_outputs: Any, d_last: Any) -> Any:
                return backward(blocks, skip, state, updates, states, d_outputs, d_last)

            return (made, states[-1]), gradient

        return run(blocks, skip, state)  # type: ignore[no-any-return]


def _gates(cell: Cell, blocks: Any, updates: Any) -> tuple[Any, Any]:
    """What a step keeps of the state, and what it adds, (T, B, H) each."""
    units = blocks.shape[-1]
    candidate, forget = blocks[..., : units // 2], blocks[..., units // 2 :]
    update = updates * tf.sigmoid(-forget)
    return 1 - update, update * (tf.tanh(candidate) if cell == "qrnn" else candidate)


def _outputs(shape: CellShape, blocks: Any, skip: Any, states: Any) -> Any:
    """Outputs (T, B, H) from the blocks after the second one, the inputs and the states."""
    units = states.shape[-1]
    if shape.projects_skip:
        skip = blocks[..., -units:]
    if not shape.has_output_gate:
        return states + skip
    opened = tf.sigmoid(blocks[..., 2 * units : 3 * units])
    return opened * states if not shape.has_skip else opened * states + (1 - opened) * skip


def _forward(cell: Cell, blocks: Any, state: Any, updates: Any) -> Any:
    """The states after each step, (T, B, H)."""
    (steps, _), batch, units = time_loops.times(blocks), state.shape[0], state.shape[1]
    kept, added = map(time_loops.array, _gates(cell, blocks[..., : 2 * units], updates))

    def step(time: Any, state: Any, states: Any) -> Any:
        state = kept.read(time) * state + added.read(time)
        return time + 1, state, states.write(time, state)

    *_, states = tf.while_loop(
        lambda time, *_: time < steps,
        step,
        (0, state, time_loops.empty(steps, batch, units)),
        parallel_iterations=1,
        maximum_iterations=steps,
    )
    return states.stack()


def _backward(
    cell: Cell,
    shape: CellShape,
    blocks: Any,
    skip: Any,
    state: Any,
    updates: Any,
    states: Any,
    d_outputs: Any,
    d_last: Any,
) -> tuple[Any, Any, Any]:
    """Gradients of blocks, skip and the first state, from those of the outputs and of the last state."""
    (steps, _), batch, units = time_loops.times(blocks), state.shape[0], state.shape[1]
    with tf.GradientTape() as tape:
        tape.watch((blocks, skip, states))
        made = _outputs(shape, blocks, skip, states)
    d_blocks, d_skip, d_states = tape.gradient(
        made, (blocks, skip, states), d_outputs, unconnected_gradients=tf.UnconnectedGradients.ZERO
    )
    of_gates = blocks[..., : 2 * units]
    with tf.GradientTape() as tape:
        tape.watch(of_gates)
        kept, added = _gates(cell, of_gates, updates)
    read_kept, read_states = time_loops.array(kept), time_loops.array(d_states)

    def step(time: Any, carried: Any, totals: Any) -> Any:
        total = carried + read_states.read(time)
        return time - 1, total * read_kept.read(time), totals.write(time, total)

    _, d_state, totals = tf.while_loop(
        lambda time, *_: time >= 0,
        step,
        (steps - 1, d_last, time_loops.empty(steps, batch, units)),
        parallel_iterations=1,
        maximum_iterations=steps,
    )
    d_added = totals.stack()
    before = tf.concat([state[None], states[:-1]], axis=0)
    d_gates = tape.gradient((kept, added), of_gates, (d_added * before, d_added))
    more = blocks.shape[-1] - 2 * units
    return d_blocks + tf.pad(d_gates, [[0, 0], [0, 0], [0, more]]), d_skip, d_state


def _loops(cell: Cell, shape: CellShape) -> tuple[Callable[..., Any], Callable[..., Any]]:
    return partial(_forward, cell), partial(_backward, cell, shape)


@cache
def _compiled(cell: Cell, shape: CellShape) -> tuple[Callable[..., Any], Callable[..., Any]]:
    forward, backward = _loops(cell, shape)
    return (
        tf.function(forward, jit_compile=True, autograph=False),
        tf.function(backward, jit_compile=True, autograph=False),
    )
