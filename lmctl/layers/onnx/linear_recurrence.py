"""A layer of a linear recurrent network as ONNX operators; `layers/linear_recurrence.py` is the same in NumPy."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from lmctl.layers.linear_cells import shape_of_cell

if TYPE_CHECKING:
    from lmctl.arrays import Float32Array
    from lmctl.layers.linear_cells import Cell
    from lmctl.layers.onnx.graph import Graph


class OnnxLinearRecurrence:
    """A layer (`layers/linear_cells.py`).

    Args:
        graph: the graph.
        name: start of the names of the weights.
        cell: the kind of the cell.
        kernel: (window * D, blocks * H).
        bias: (blocks * H,).
        units: H.
    """

    def __init__(
        self, graph: Graph, name: str, cell: Cell, kernel: Float32Array, bias: Float32Array, units: int
    ) -> None:
        self._graph = graph
        self._cell = cell
        window = 2 if cell == "qrnn" else 1
        self._shape = shape_of_cell(cell, len(kernel) // window, units)
        self._kernel = graph.matrix(f"{name}.kernel", kernel, axis=0)
        self._bias = graph.vector(f"{name}.bias", bias)

    def run(self, inputs: str, state: str, previous: str | None) -> tuple[str, str]:
        """Run over a segment.

        Args:
            inputs: (T, N, D).
            state: c before the first step, (N, H).
            previous: the input before the first step, (N, D); only if the window is 2.

        Returns:
            Outputs (T, N, H), and the last c, (N, H).
        """
        graph = self._graph
        read = inputs
        if previous is not None:
            first = graph.add("Unsqueeze", previous, graph.constant([0]))
            earlier = graph.add("Concat", first, inputs, axis=0)
            earlier = graph.add("Slice", earlier, *(graph.constant([each]) for each in (0, -1, 0)))
            read = graph.add("Concat", earlier, inputs, axis=2)
        projected = graph.add("Add", graph.add("MatMul", read, self._kernel), self._bias)
        blocks = graph.add_several("Split", projected, outputs=self._shape.blocks, axis=2)
        candidate, kept = blocks[0], graph.add("Sigmoid", blocks[1])
        if self._cell == "qrnn":
            candidate = graph.add("Tanh", candidate)
        added = graph.add("Mul", self._rest(kept), candidate)
        last, states = graph.scan(_step, [(state, np.float32)], [(kept, np.float32), (added, np.float32)])
        skip = blocks[-1] if self._shape.projects_skip else inputs
        if self._cell == "mingru":
            return graph.add("Add", states, skip), last
        opened = graph.add("Sigmoid", blocks[2])
        outputs = graph.add("Mul", opened, states)
        if self._cell == "sru":
            outputs = graph.add("Add", outputs, graph.add("Mul", self._rest(opened), skip))
        return outputs, last

    def _rest(self, gate: str) -> str:
        """1 minus a gate."""
        return self._graph.add("Sub", self._graph.constant(np.array(1.0, dtype=np.float32)), gate)


def _step(graph: Graph, states: list[str], elements: list[str]) -> tuple[list[str], list[str]]:
    """One step: the state times what is kept, plus what is added."""
    kept, added = elements
    after = graph.add("Add", graph.add("Mul", states[0], kept), added)
    return [after], [after]
