#!/bin/bash
# TensorFlow: the bits of a float32 product depend on the number of threads. XLA ends this for one X @ W, but not for
#   another, nor for a gradient X^T @ G.
#
# Expected: jit_compile=True makes one program of the function, so its bits depend on the number of threads either always
#   or never. enable_op_determinism, whose page mentions only the same hardware, holds for every number of threads.
# Seen: tf.matmul has other last bits with two threads than with one, transposed or not. Compiled, X @ W has the same bits
#   with both. X^T @ G does not: it has the same bits as without XLA. 16 x 512 by 512 x 2048 is the other way round: the
#   bits are the same without XLA, and differ with it. All this is with enable_op_determinism. Sums of columns, softmax
#   cross-entropy, and sums of rows by id, as for the gradient of an embedding, have the same bits with both.
# lmctl: the number of threads is one of the conditions for the same bytes ("Same in, same out" in ARCHITECTURE.md). If a run
#   is continued with another number, it starts over.
#
# 2026-11-27, tensorflow 2.21.0, numpy 2.4.6, Python 3.11, AMD EPYC (AVX2, no AVX-512), one thread against two:
#   X @ W: other, compiled same; X^T @ G: other, compiled other; step: same, compiled other;
#   sum, cross-entropy, rows: same, compiled same
. "$(dirname "$0")/lib.sh"
grep -q ' avx2 ' /proc/cpuinfo || { echo "needs a processor with AVX2"; exit 2; }
environment venv tensorflow==2.21.0 numpy==2.4.6
cat >bits.py <<'PY'
import hashlib
import sys

import numpy as np
import tensorflow as tf

tf.config.threading.set_intra_op_parallelism_threads(int(sys.argv[1]))
tf.config.experimental.enable_op_determinism()
draw = np.random.default_rng(0)


def values(*shape):
    return tf.constant(draw.standard_normal(shape).astype(np.float32))


def transposed(inputs, gradient):
    return tf.matmul(inputs, gradient, transpose_a=True)


wide = values(700, 5000)
targets = tf.constant(draw.integers(0, 5000, 700))
words = tf.constant(draw.integers(0, 100, 20000))
cases = {
    "X @ W": (tf.matmul, values(700, 256), values(256, 1024)),
    "X^T @ G": (transposed, values(700, 256), values(700, 1024)),
    "step": (tf.matmul, values(16, 512), values(512, 2048)),
    "sum": (lambda wide: tf.reduce_sum(wide, axis=0), wide),
    "cross-entropy": (lambda wide: tf.nn.sparse_softmax_cross_entropy_with_logits(targets, wide), wide),
    "rows": (lambda rows: tf.math.unsorted_segment_sum(rows, words, 100), values(20000, 64)),
}
for name, (function, *arguments) in cases.items():
    for kind, called in (("", function), (" compiled", tf.function(function, jit_compile=True))):
        print(f"{name}{kind}: {hashlib.sha256(called(*arguments).numpy().tobytes()).hexdigest()[:12]}")
PY
export TF_CPP_MIN_LOG_LEVEL=3
venv/bin/python bits.py 1 >one 2>log || { cat log; exit 2; }
venv/bin/python bits.py 2 >two 2>log || { cat log; exit 2; }
paste -d: one two | tee both | awk -F: '{ print $1 ":", $2 == $4 ? "same" : "other" }' | tee seen
printf '%s: %s\n' "X @ W" other "X @ W compiled" same "X^T @ G" other "X^T @ G compiled" other step same "step compiled" other \
    sum same "sum compiled" same cross-entropy same "cross-entropy compiled" same rows same "rows compiled" same |
    diff seen - && [ "$(awk '/^X.T @ G:/ {print $NF}' one)" = "$(awk '/^X.T @ G compiled/ {print $NF}' one)" ]
