"""Cells of linear recurrent networks: what an element of the state takes over from the step before.

A state c follows c[t] = a[t] c[t-1] + b[t], element by element. The gates a and b, and the output, depend on the
inputs, not on earlier states. So all matrix products of a segment are one product, and the loop over time touches
vectors alone (Martin & Cundy 2018, "Parallelizing linear recurrent neural nets over sequence length",
arXiv:1709.04057).

    z, f, r, s = the blocks of x K + bias, H numbers each; a cell has some of them
    f = sigmoid(f), r = sigmoid(r)
    c[t] = f c[t-1] + (1 - f) z

| cell | z | output | x |
|---|---|---|---|
| `sru` | z | r c + (1 - r) s | input[t] |
| `qrnn` | tanh(z) | r c | input[t-1] and input[t], side by side |
| `mingru` | z | c + s | input[t] |

`sru` is the Simple Recurrent Unit (Lei et al. 2018, arXiv:1709.02755) without the terms of its gates that depend
on the state. `qrnn` is the quasi-recurrent network with fo-pooling and a window of 2 (Bradbury et al. 2017,
arXiv:1611.01576). `mingru` is minGRU with a residual connection (Feng et al. 2024, arXiv:2410.01201). s is the
input if it has H elements, else a projection.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

Cell = Literal["sru", "qrnn", "mingru"]


class CellShape(NamedTuple):
    """The sizes of a layer.

    Attributes:
        rows: number of rows of its kernel.
        blocks: number of blocks of H columns of its kernel.
        has_output_gate: whether there is a block r.
        has_skip: whether s is part of the output.
        projects_skip: whether s is a block; else it is the input.
        window: number of inputs that a step reads.
    """

    rows: int
    blocks: int
    has_output_gate: bool
    has_skip: bool
    projects_skip: bool
    window: int


def shape_of_cell(cell: Cell, width: int, units: int) -> CellShape:
    """The sizes of a layer with inputs of length `width` and H = `units`."""
    has_output_gate, has_skip = cell != "mingru", cell != "qrnn"
    projects_skip = has_skip and width != units
    window = 2 if cell == "qrnn" else 1
    return CellShape(
        rows=window * width,
        blocks=2 + has_output_gate + projects_skip,
        has_output_gate=has_output_gate,
        has_skip=has_skip,
        projects_skip=projects_skip,
        window=window,
    )


def weight_shapes_of_layer(name: str, cell: Cell, width: int, units: int) -> dict[str, tuple[int, ...]]:
    """Names and shapes of the weights of a layer that reads vectors of length `width`."""
    shape = shape_of_cell(cell, width, units)
    columns = shape.blocks * units
    return {f"{name}.kernel": (shape.rows, columns), f"{name}.bias": (columns,)}
