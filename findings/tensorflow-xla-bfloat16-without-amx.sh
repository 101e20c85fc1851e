#!/bin/bash
# TensorFlow: on a processor with AMX, jit_compile=True makes a bfloat16 product about ten times slower.
#
# Expected: XLA compiles for the processor that it runs on. It can generate AMX code (--xla_cpu_max_isa has the value AMX),
#   so a compiled product of bfloat16 matrices is at least as fast as tf.matmul without XLA.
# Seen: without XLA, oneDNN multiplies bfloat16 at five to eight times the speed of float32. Compiled, bfloat16 is no faster
#   than float32. The flags xla_cpu_max_isa=AMX, xla_cpu_use_onednn and xla_cpu_experimental_onednn_fusion_type=dot, and
#   the fusion types of XNNPACK and YNNPACK, do not change that.
# lmctl: the large products of a training step are operations of TensorFlow, and only loops over time are compiled. The
#   products inside these loops stay in float32.
#
# 2026-11-28, tensorflow 2.21.0, numpy 2.4.6, Python 3.11, Intel Xeon (Sapphire Rapids), busy, one thread, GFLOP/s of
# 1120 x 640 by 640 x 2560: plain float32 97, bfloat16 766; compiled float32 77, bfloat16 68
#   plain: bfloat16 is faster; compiled: bfloat16 is not faster
. "$(dirname "$0")/lib.sh"
grep -q ' amx_bf16' /proc/cpuinfo || { echo "needs a processor with AMX for bfloat16"; exit 2; }
environment venv tensorflow==2.21.0 numpy==2.4.6
cat >products.py <<'PY'
import time

import tensorflow as tf

tf.config.threading.set_intra_op_parallelism_threads(1)
tf.config.threading.set_inter_op_parallelism_threads(1)
ROWS, INNER, COLUMNS = 1120, 640, 2560


def speed(dtype, compiled):
    left, right = (tf.cast(tf.random.normal(shape), dtype) for shape in ((ROWS, INNER), (INNER, COLUMNS)))
    multiply = tf.function(lambda: tf.matmul(left, right), jit_compile=compiled)
    seconds = []
    for _ in range(40):
        began = time.perf_counter()
        multiply()
        seconds.append(time.perf_counter() - began)
    return 2e-9 * ROWS * INNER * COLUMNS / min(seconds)


for name, compiled in (("plain", False), ("compiled", True)):
    single, half = speed(tf.float32, compiled), speed(tf.bfloat16, compiled)
    print(f"{name}: bfloat16 is {'' if half > 2 * single else 'not '}faster")
    with open("speeds", "a") as speeds:
        print(f"{name}: float32 {single:.0f}, bfloat16 {half:.0f}", file=speeds)
PY
TF_CPP_MIN_LOG_LEVEL=3 venv/bin/python products.py 2>log | tee seen || { cat log; exit 2; }
cat speeds
printf '%s\n' "plain: bfloat16 is faster" "compiled: bfloat16 is not faster" | diff seen -
