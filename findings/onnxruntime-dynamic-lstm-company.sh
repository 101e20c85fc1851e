#!/bin/bash
# onnxruntime: a dynamically quantised LSTM gives a text another answer beside other texts, and loses `layout`.
#
# Expected: rows of a batch do not depend on each other; quantize_dynamic keeps the attributes of an operator.
# Seen: DynamicQuantizeLSTM rounds the inputs and states of all rows of a step with one scale, which the largest number
#   of the batch decides. So the answer for a row differs by a few percent when a row of larger numbers is beside it.
#   quantize_dynamic copies direction, hidden_size and others, but not `layout`: an LSTM with batch first reads time
#   for batch, without an error where the sizes fit.
# lmctl: exports weights of 8 bits that are cast to float32, so products are those of float32 (docs/exchange.md).
#
# 2026-11-28, onnxruntime 1.32.0, onnx 1.23.2, Python 3.11: float: the same bits; quantised: another answer
. "$(dirname "$0")/lib.sh"
environment venv onnxruntime==1.32.0 onnx==1.23.2
venv/bin/python - <<'PY'
import logging

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper
from onnxruntime.quantization import QuantType, quantize_dynamic

logging.disable(logging.WARNING)
UNITS, WIDTH = 16, 8
random = np.random.default_rng(0)
shapes = {"w": (1, 4 * UNITS, WIDTH), "r": (1, 4 * UNITS, UNITS)}
weights = [
    numpy_helper.from_array(random.standard_normal(shape).astype(np.float32) * 0.3, name) for name, shape in shapes.items()
]
for layout in (0, 1):
    node = helper.make_node("LSTM", ["x", "w", "r"], ["y"], hidden_size=UNITS, layout=layout)
    graph = helper.make_graph(
        [node],
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, (None, None, WIDTH))],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
        weights,
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), f"float{layout}.onnx")
    quantize_dynamic(f"float{layout}.onnx", f"int8{layout}.onnx", weight_type=QuantType.QInt8)

text = random.standard_normal((5, 1, WIDTH)).astype(np.float32)
beside = np.concatenate([text, 20 * text], axis=1)
for name in ("float0", "int80"):
    session = onnxruntime.InferenceSession(f"{name}.onnx", providers=["CPUExecutionProvider"])
    alone, together = (session.run(None, {"x": x})[0][:, 0, 0] for x in (text, beside))
    difference = np.abs(alone - together).max()
    print(f"{name}: largest difference of a row alone and beside another: {difference:.2g}")
    assert (difference < 1e-5) == (name == "float0")
(node,) = onnx.load("int81.onnx").graph.node
attributes = sorted(each.name for each in node.attribute)
print(f"layout=1 becomes {node.op_type} with {attributes}")
assert node.op_type == "DynamicQuantizeLSTM"
assert "layout" not in attributes
PY
