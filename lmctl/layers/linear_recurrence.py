"""A layer of a linear recurrent network in NumPy; `layers/keras/linear_recurrence.py` is the same in Keras."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from lmctl.layers.linear_cells import shape_of_cell
from lmctl.layers.products import ExactMatrix

if TYPE_CHECKING:
    from lmctl.arrays import Float32Array, IntArray
    from lmctl.layers.linear_cells import Cell


class LinearRecurrence:
    """A layer (`layers/linear_cells.py`).

    Args:
        cell: the kind of the cell.
        kernel: (window * D, blocks * H).
        bias: (blocks * H,).
        units: H.

    Attributes:
        width: D, the length of an input.
        window: number of inputs that a step reads, 1 or 2.
    """

    def __init__(self, cell: Cell, kernel: Float32Array, bias: Float32Array, units: int) -> None:
        self._cell = cell
        self._units = units
        self.window = 2 if cell == "qrnn" else 1
        self.width = len(kernel) // self.window
        self._shape = shape_of_cell(cell, self.width, units)
        # sigmoid(x) is computed as (1 + tanh(x / 2)) / 2. Halving is exact in binary.
        half = np.ones(len(bias), dtype=np.float32)
        half[units : (2 + self._shape.has_output_gate) * units] = 0.5
        self._kernel, self._bias = ExactMatrix(kernel * half), bias * half

    def run(
        self, inputs: Float32Array, state: Float32Array, previous: Float32Array | None, lengths: IntArray | None
    ) -> tuple[Float32Array, Float32Array]:
        """Run over a segment.

        Args:
            inputs: (T, B, D).
            state: c before the first step, (B, H).
            previous: the input before the first step, (B, D); only if the window is 2.
            lengths: number of steps of each column, (B,); None: T.

        Returns:
            Outputs (T, B, H), and the last c of each column, (B, H).
        """
        steps, batch, width = inputs.shape
        units = self._units
        if previous is not None:
            inputs = np.concatenate([np.concatenate([previous[None], inputs])[:-1], inputs], axis=2)
        projected = self._kernel.times_rows(inputs.reshape(steps * batch, -1))
        projected += self._bias
        blocks = projected.reshape(steps, batch, -1)
        candidate, gates = blocks[..., :units], blocks[..., units : (2 + self._shape.has_output_gate) * units]
        np.tanh(gates, out=gates)
        gates *= 0.5
        gates += 0.5
        if self._cell == "qrnn":
            np.tanh(candidate, out=candidate)
        kept = gates[..., :units]
        candidate *= 1 - kept
        if lengths is not None:
            ended = np.arange(steps)[:, None] >= lengths
            kept[ended], candidate[ended] = 1.0, 0.0
        states = np.empty((steps, batch, units), dtype=np.float32)
        for step in range(steps):
            np.multiply(kept[step], state, out=states[step])
            states[step] += candidate[step]
            state = states[step]
        return self._outputs(states, gates, blocks, inputs[..., -width:]), state.copy()

    def _outputs(
        self, states: Float32Array, gates: Float32Array, blocks: Float32Array, inputs: Float32Array
    ) -> Float32Array:
        """Outputs (T, B, H) from states, open gates, all blocks and inputs."""
        units = self._units
        skip = blocks[..., -units:] if self._shape.projects_skip else inputs
        if self._cell == "mingru":
            return states + skip
        opened = gates[..., units:]
        return opened * states if self._cell == "qrnn" else opened * states + (1 - opened) * skip
