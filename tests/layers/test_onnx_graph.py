"""Building ONNX graphs."""

from __future__ import annotations

import numpy as np
import pytest

from lmctl.families.onnx.check import open_session
from lmctl.layers.onnx.graph import Graph


def test_rows_are_rounded_by_the_largest_element_of_each():
    values = np.array([[0, 0, 0], [-2.54, 0.021, 1.27]], dtype=np.float32)
    graph = Graph("test", int8=True)
    graph.output("y", graph.matrix("w", values), np.float32, (2, 3))

    (found,) = open_session(graph.model({}).SerializeToString()).run(None, {})

    # The scales are 0 and 0.02: -127, 1 and 64 (63.5, to the even one).
    np.testing.assert_allclose(found, [[0, 0, 0], [-2.54, 0.02, 1.28]], rtol=1e-6)


def test_a_weight_is_stored_once():
    values = np.ones((20, 30), dtype=np.float32)
    for int8, numbers in ((False, 4 * 600), (True, 600 + 4 * 20)):
        graph = Graph("test", int8=int8)
        graph.output(
            "y", graph.add("Add", graph.matrix("w", values), graph.matrix("w", values)), np.float32, (20, 30)
        )

        model = graph.model({})

        assert sum(len(each.raw_data) for each in model.graph.initializer) == numbers


def test_a_model_that_no_file_can_hold_is_refused(monkeypatch):
    monkeypatch.setattr("lmctl.layers.onnx.graph.MOST_BYTES", (1 << 20) + 8)
    graph = Graph("test")
    graph.output("y", graph.vector("w", np.ones(3, dtype=np.float32)), np.float32, (3,))

    with pytest.raises(ValueError, match=r"12 bytes of weights; an ONNX file has room for 8"):
        graph.model({})


def test_an_operator_that_does_not_fit_is_found_when_the_model_is_made():
    from onnx.shape_inference import InferenceError

    graph = Graph("test")
    rows, columns = (graph.vector(name, np.ones((2, 3), dtype=np.float32)) for name in ("a", "b"))
    graph.output("y", graph.add("MatMul", rows, columns), np.float32, (2, 3))

    with pytest.raises(InferenceError):
        graph.model({})


def test_a_model_says_what_made_it_and_what_reads_it():
    graph = Graph("test")
    graph.output("y", graph.zeros(graph.constant([2]), np.int64), np.int64, (2,))

    model = graph.model({"key": "value"})

    assert model.producer_name == "lmctl"
    assert [(each.domain, each.version) for each in model.opset_import] == [("", 17)]
    assert model.ir_version == 8
    assert {each.key: each.value for each in model.metadata_props} == {"key": "value"}
