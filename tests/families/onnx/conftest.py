"""ONNX models of networks with random weights, and their runtimes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from random_networks import drawn

from lmctl import families
from lmctl.families.onnx.check import open_session
from lmctl.families.onnx.models import SEQUENCE, add_sequence_form, add_step_form, properties
from lmctl.layers.onnx.graph import Graph

if TYPE_CHECKING:
    from collections.abc import Callable


def _weights(family: Any, sizes: Any, seed: int) -> dict[str, Any]:
    weights = drawn(family.weight_shapes(sizes), seed=seed)
    if "words.block" in weights:
        # One block has no words.
        weights["words.block"] = (np.arange(sizes.vocabulary_size) % (sizes.blocks - 1)).astype(np.float32)
    return weights


@pytest.fixture(scope="session")
def make_onnx() -> Callable[..., Any]:
    """`make_onnx(form, sizes, seed=5, top=0, int8=False)`: a session of onnxruntime."""

    def make(form: str, sizes: Any, *, seed: int = 5, top: int = 0, int8: bool = False) -> Any:
        family = families.find(type(sizes).__struct_config__.tag)
        graph = Graph("test", int8=int8)
        network = family.onnx_network(graph, sizes, _weights(family, sizes, seed))
        if form == SEQUENCE:
            add_sequence_form(graph, network)
        else:
            add_step_form(graph, network, sizes.vocabulary_size, top)
        model = graph.model(properties(form, network, sizes.vocabulary_size))
        return open_session(model.SerializeToString())

    return make


@pytest.fixture(scope="session")
def make_runtime() -> Callable[..., Any]:
    """`make_runtime(sizes, seed=5)`: the model in NumPy with the same weights."""

    def make(sizes: Any, *, seed: int = 5) -> Any:
        family = families.find(type(sizes).__struct_config__.tag)
        return family.runtime(sizes, _weights(family, sizes, seed))

    return make
