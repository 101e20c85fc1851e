#!/bin/bash
# onnxruntime and onnx: what a recurrent operator does with a row that is shorter than the batch.
#
# Expected: LSTM, GRU and RNN take `sequence_lens`. The last state of a row is the state after its own last step; for a
#   row of length 0, it is the initial state. So a batch of texts can be read piece by piece.
# Seen: onnxruntime gives zeros as the last state of a row of length 0, for all three operators; rows of other lengths
#   are right. onnx's ReferenceEvaluator ignores `sequence_lens`: every row runs over all steps.
# lmctl: exports states as inputs and outputs, and no lengths.
#
# 2026-11-28, onnxruntime 1.32.0, onnx 1.23.2, Python 3.11: initial state 1; last state of a row of length 0: 0
. "$(dirname "$0")/lib.sh"
environment venv onnxruntime==1.32.0 onnx==1.23.2
venv/bin/python - <<'PY'
import numpy as np
import onnxruntime
from onnx import TensorProto, helper
from onnx.reference import ReferenceEvaluator

STEPS, ROWS, UNITS = 3, 3, 2
GATES = {"LSTM": 4, "GRU": 3, "RNN": 1}
random = np.random.default_rng(0)
for operator, gates in GATES.items():
    shapes = {
        "x": (STEPS, ROWS, 2),
        "w": (1, gates * UNITS, 2),
        "r": (1, gates * UNITS, UNITS),
        "h": (1, ROWS, UNITS),
    }
    inputs = [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in shapes.items()]
    inputs.append(helper.make_tensor_value_info("lengths", TensorProto.INT32, (ROWS,)))
    node = helper.make_node(operator, ["x", "w", "r", "", "lengths", "h"], ["y", "last"], hidden_size=UNITS)
    outputs = [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in ("y", "last")]
    model = helper.make_model(
        helper.make_graph([node], "g", inputs, outputs), opset_imports=[helper.make_opsetid("", 22)], ir_version=10
    )
    feed = {name: random.standard_normal(shape).astype(np.float32) for name, shape in shapes.items()}
    feed["h"] = np.ones_like(feed["h"])
    session, reference = onnxruntime.InferenceSession(model.SerializeToString()), ReferenceEvaluator(model)
    lasts = {}
    for lengths in ((3, 3, 3), (3, 1, 0)):
        feed["lengths"] = np.array(lengths, dtype=np.int32)
        lasts[lengths] = [program.run(None, feed)[1][0] for program in (session, reference)]
    (full, full_by_reference), (found, by_reference) = lasts.values()
    # A row of length 1, beside the output of a batch of one step.
    one = session.run(None, {**feed, "lengths": np.ones(ROWS, dtype=np.int32)})[1][0]
    print(f"{operator}: onnxruntime, lengths 3, 1, 0: last state of the row of length 0: {found[2]}")
    np.testing.assert_allclose(found[:2], [full[0], one[1]], rtol=1e-6)
    assert found[2].tolist() == [0, 0]
    if operator == "LSTM":
        print(f"{operator}: onnx's reference differs between lengths 3, 3, 3 and 3, 1, 0: {(by_reference != full_by_reference).any()}")
    np.testing.assert_array_equal(by_reference, full_by_reference)
PY
