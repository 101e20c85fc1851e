#!/bin/bash
# onnxruntime: since 1.27, ReduceSum of int64 rounds from 2^53 on, even if there is one number to sum.
#
# Expected: a sum of integers is exact, as that of Add, CumSum and MatMul, and as in ONNX's reference evaluator.
# Seen: ReduceSum, ReduceProd, ReduceL1, ReduceSumSquare and an Einsum that sums compute integers as float64. The sum of
#   the single number 2^53 + 1 is 2^53, and so for ids, hashes and n-grams whose word ids are packed into 64 bits; a
#   comparison with the number itself fails. A sum of int32 that is too large is the largest int32; before, it wrapped
#   round. 1.26.0 sums exactly.
# lmctl: its exported graphs sum only floats.
#
# 2026-11-29, onnx 1.23.2, numpy 2.4.6, Python 3.11, x86-64:
#   1.26.0: 2^53 + 1: 9007199254740993; 2^53 + 1 + 1 + 1: 9007199254740995; Add: 9007199254740993
#   1.32.0: 2^53 + 1: 9007199254740992; 2^53 + 1 + 1 + 1: 9007199254740996; Add: 9007199254740993
#   three times 2^30 in int32: 1.26.0: -1073741824; 1.32.0: 2147483647
. "$(dirname "$0")/lib.sh"
environment old onnxruntime==1.26.0 onnx==1.23.2 numpy==2.4.6
environment new onnxruntime==1.32.0 onnx==1.23.2 numpy==2.4.6
cat >sums.py <<'PY'
import numpy as np
import onnxruntime
from onnx import TensorProto, helper

KINDS = {np.int64: TensorProto.INT64, np.int32: TensorProto.INT32}
onnxruntime.set_default_logger_severity(4)


def run(operator, *arrays, **attributes):
    """The result of one operator."""
    kind = KINDS[arrays[0].dtype.type]
    names = [f"x{place}" for place in range(len(arrays))]
    graph = helper.make_graph(
        [helper.make_node(operator, names, ["y"], **attributes)],
        "one operator",
        [helper.make_tensor_value_info(name, kind, ["N"]) for name in names],
        [helper.make_tensor_value_info("y", kind, None)],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10)
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return int(session.run(None, dict(zip(names, arrays)))[0].item())


def total(*numbers, kind=np.int64):
    return run("ReduceSum", np.array(numbers, kind), keepdims=0)


added = run("Add", np.array([2**53], np.int64), np.array([1], np.int64))
print(f"2^53 + 1: {total(2**53 + 1)}; 2^53 + 1 + 1 + 1: {total(2**53, 1, 1, 1)}; Add: {added}")
print(f"three times 2^30 in int32: {total(2**30, 2**30, 2**30, kind=np.int32)}")
PY
for version in old new; do
    echo "$version" >>seen
    "$version/bin/python" sums.py 2>log | tee -a seen || { cat log; exit 2; }
done
diff seen - <<'TXT'
old
2^53 + 1: 9007199254740993; 2^53 + 1 + 1 + 1: 9007199254740995; Add: 9007199254740993
three times 2^30 in int32: -1073741824
new
2^53 + 1: 9007199254740992; 2^53 + 1 + 1 + 1: 9007199254740996; Add: 9007199254740993
three times 2^30 in int32: 2147483647
TXT
