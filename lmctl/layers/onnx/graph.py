"""Building an ONNX graph: `Graph`.

A value is named by a string. Every method that adds something returns the names of the values it makes.
"""

from __future__ import annotations

import copy
import itertools
from typing import TYPE_CHECKING, Any

import numpy as np
import onnx
from onnx import helper, numpy_helper

from lmctl.version import __version__

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from numpy.typing import NDArray

# The oldest operator set that has all operators in use, with the version of the file format that came with it.
# onnxruntime reads it from 1.12 on.
OPSET = 17
IR_VERSION = 8
# A file is one message of protobuf, which has at most 2 GiB.
MOST_BYTES = 2**31 - 1
# Room for the nodes, which take some kilobytes.
_NODES_BYTES = 1 << 20

INT8_LARGEST = 127


class Graph:
    """A graph of ONNX operators.

    Args:
        name: the name of the graph.
        int8: whether matrices are stored as 8-bit integers.
    """

    def __init__(self, name: str, *, int8: bool = False) -> None:
        self._name = name
        self._int8 = int8
        self._nodes: list[onnx.NodeProto] = []
        self._weights: dict[str, onnx.TensorProto] = {}
        self._matrices: dict[str, str] = {}
        self._inputs: list[onnx.ValueInfoProto] = []
        self._outputs: list[onnx.ValueInfoProto] = []
        self._values = itertools.count(1)

    def input(self, name: str, kind: type[np.generic], shape: Sequence[int | str]) -> str:
        """Add an input of the model; a string in the shape names a dimension that may have any size."""
        self._inputs.append(_value_info(name, kind, shape))
        return name

    def output(self, name: str, value: str, kind: type[np.generic], shape: Sequence[int | str]) -> None:
        """Make a value an output of the model."""
        self._nodes.append(helper.make_node("Identity", [value], [name]))
        self._outputs.append(_value_info(name, kind, shape))

    def add(self, operator: str, *inputs: str, **attributes: Any) -> str:
        """Add an operator with one output; an input "" is left out."""
        (output,) = self.add_several(operator, *inputs, outputs=1, **attributes)
        return output

    def add_several(self, operator: str, *inputs: str, outputs: int, **attributes: Any) -> list[str]:
        """Add an operator with several outputs."""
        names = [self._new_name(operator) for _ in range(outputs)]
        self._nodes.append(helper.make_node(operator, inputs, names, **attributes))
        return names

    def cast(self, value: str, kind: type[np.generic]) -> str:
        """Add a conversion to another type."""
        return self.add("Cast", value, to=helper.np_dtype_to_tensor_dtype(np.dtype(kind)))

    def constant(self, values: NDArray[Any] | Sequence[Any] | int) -> str:
        """Add a small constant; integers are int64."""
        name = self._new_name("constant")
        self._store(name, np.asarray(values, dtype=None if isinstance(values, np.ndarray) else np.int64))
        return name

    def zeros(self, shape: str, kind: type[np.generic]) -> str:
        """Add zeros of a shape that is a value, (R,)."""
        zero = numpy_helper.from_array(np.zeros(1, dtype=kind))
        return self.add("ConstantOfShape", shape, value=zero)

    def vector(self, name: str, values: NDArray[np.float32]) -> str:
        """Add a weight that stays float32; a second call with the same name gives the same weight."""
        if name not in self._weights:
            self._store(name, np.ascontiguousarray(values, dtype=np.float32))
        return name

    def matrix(self, name: str, values: NDArray[np.float32], axis: int = -1) -> str:
        """Add a weight that may be stored as 8-bit integers, with a scale for each row along an axis.

        The axis is the one that products sum over: then each output has its own scale.

        Casting and scaling are ordinary operators on constants. So a runtime may do them once, when it loads the
        model, and then computes in float32. ONNX's own quantised operators round the activations, too, with one
        scale for a whole batch, so that an answer depends on its neighbours.
        """
        if not self._int8:
            return self.vector(name, values)
        if name not in self._matrices:
            scales = np.abs(values).max(axis=axis, keepdims=True, initial=0.0) / INT8_LARGEST
            rounded = np.rint(values / np.where(scales > 0, scales, 1.0)).astype(np.int8)
            self._store(f"{name}.int8", rounded)
            self._store(f"{name}.scales", scales.astype(np.float32))
            self._matrices[name] = self.add("Mul", self.cast(f"{name}.int8", np.float32), f"{name}.scales")
        return self._matrices[name]

    def scan(
        self,
        step: Callable[[Graph, list[str], list[str]], tuple[Sequence[str], Sequence[str]]],
        states: Sequence[tuple[str, type[np.generic]]],
        sequences: Sequence[tuple[str, type[np.generic]]],
    ) -> list[str]:
        """Add a loop over the first axis of sequences.

        Args:
            step: adds one step to the graph that it gets. It also gets the states before the step and an element
                of each sequence, and returns the states after the step, and values to collect.
            states: before the first step, each with the type of its elements.
            sequences: (T, ...) each, with the type of their elements.

        Returns:
            The states after the last step, then the collected values, (T, ...) each.
        """
        inner = copy.copy(self)
        # Weights are shared; operators, and what follows from them, belong to the step.
        inner._nodes, inner._matrices = [], {}  # noqa: SLF001
        kinds = [kind for _, kind in (*states, *sequences)]
        names = [inner._new_name("step") for _ in kinds]  # noqa: SLF001
        after, collected = step(inner, names[: len(states)], names[len(states) :])
        inputs = [_value_info(name, kind, None) for name, kind in zip(names, kinds, strict=True)]
        outputs = [
            helper.make_empty_tensor_value_info(inner.add("Identity", value)) for value in (*after, *collected)
        ]
        body = helper.make_graph(inner._nodes, "step", inputs, outputs)  # noqa: SLF001
        values = [value for value, _ in (*states, *sequences)]
        return self.add_several("Scan", *values, outputs=len(outputs), body=body, num_scan_inputs=len(sequences))

    def model(self, properties: Mapping[str, str]) -> onnx.ModelProto:
        """The finished model.

        Args:
            properties: the metadata of the model.

        Raises:
            ValueError: it is larger than a file of ONNX can be.
        """
        size = sum(len(weight.raw_data) for weight in self._weights.values())
        if size > MOST_BYTES - _NODES_BYTES:
            raise ValueError(f"{size:,} bytes of weights; an ONNX file has room for {MOST_BYTES - _NODES_BYTES:,}")
        graph = helper.make_graph(
            self._nodes, self._name, self._inputs, self._outputs, initializer=list(self._weights.values())
        )
        model = helper.make_model(
            graph,
            opset_imports=[helper.make_opsetid("", OPSET)],
            ir_version=IR_VERSION,
            producer_name="lmctl",
            producer_version=__version__,
        )
        set_properties(model, properties)
        onnx.checker.check_model(model, full_check=True)
        return model

    def _store(self, name: str, values: NDArray[Any]) -> None:
        self._weights[name] = numpy_helper.from_array(values, name)

    def _new_name(self, start: str) -> str:
        return f"{start.lower()}_{next(self._values)}"


def set_properties(model: onnx.ModelProto, properties: Mapping[str, str]) -> None:
    """Replace the metadata of a model."""
    helper.set_model_props(model, dict(properties))


def _value_info(name: str, kind: type[np.generic], shape: Sequence[int | str] | None) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, helper.np_dtype_to_tensor_dtype(np.dtype(kind)), shape)
