#!/bin/bash
# TensorFlow: two compiled functions that could run at the same time take turns, if each fills more than one array first.
#
# Expected: with two threads between operations, two calls of a jit_compile=True function in one graph, neither of which needs
#   the other, run at the same time. They do if the function is one loop over one array.
# Seen: if the loop writes two arrays, both calls take as long as one after the other. XLA fills the arrays with zeros at
#   the same time, on the threads within operations. The thread that fills the last one goes on with the loop. With one
#   thread within operations, both loops are on that thread, and the two threads that called them wait.
# lmctl: the forward loop of an LSTM writes one array, in which all that the backward loop needs is side by side. Before, a
#   training step in two groups of columns waited for a third of its time.
#
# 2026-11-28, tensorflow 2.21.0, numpy 2.4.6, Python 3.11, two cores; needs two idle cores:
#   one array: at the same time; two arrays: in turn
. "$(dirname "$0")/lib.sh"
environment venv tensorflow==2.21.0 numpy==2.4.6
cat >loops.py <<'PY'
import time

import tensorflow as tf

tf.config.threading.set_intra_op_parallelism_threads(1)
tf.config.threading.set_inter_op_parallelism_threads(2)
STEPS, UNITS = 40, 1024
kernel = tf.random.normal((UNITS, UNITS), stddev=0.01)
starts = [tf.random.normal((32, UNITS)) for _ in range(2)]


def loop(arrays):
    def step(place, value, *written):
        value = tf.tanh(value @ kernel)
        return place + 1, value, *(array.write(place, value) for array in written)

    def run(value):
        empty = [tf.TensorArray(tf.float32, STEPS, element_shape=value.shape) for _ in range(arrays)]
        _, _, *written = tf.while_loop(
            lambda place, *_: place < STEPS, step, (0, value, *empty), maximum_iterations=STEPS
        )
        return [array.stack() for array in written]

    return tf.function(run, jit_compile=True, autograph=False)


def seconds(run, calls):
    def graph(*values):
        return [run(value) for value in values]

    called, times = tf.function(graph, autograph=False), []
    for _ in range(12):
        began = time.perf_counter()
        called(*starts[:calls])
        times.append(time.perf_counter() - began)
    return min(times)


for name, arrays in (("one array", 1), ("two arrays", 2)):
    run = loop(arrays)
    ratio = seconds(run, 2) / seconds(run, 1)
    print(f"{name}: {'in turn' if ratio > 1.6 else 'at the same time'}")
PY
TF_CPP_MIN_LOG_LEVEL=3 venv/bin/python loops.py 2>log | tee seen || { cat log; exit 2; }
printf '%s\n' "one array: at the same time" "two arrays: in turn" | diff seen -
