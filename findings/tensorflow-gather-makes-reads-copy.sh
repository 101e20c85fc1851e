#!/bin/bash
# TensorFlow: once a row of a variable has been read with tf.gather, every later read of the whole variable copies it.
#
# Expected: tf.gather only reads. A read of a variable on a processor shares its memory: read_value() twice gives two tensors
#   at one address, until the variable is written.
# Seen: so it is at first, also after assign and assign_add. After one tf.gather(variable, [1]), a sparse_read or a
#   scatter_update, two reads give two addresses: each read is a copy of the whole variable. An assign of all its values, by
#   a read copy or a new tensor, does not end this. tf.gather(variable.read_value(), [1]) reads the same row and has no
#   such effect. A variable that is both embedding and output matrix is so copied at each use of a training step.
# lmctl: a table of word vectors whose gradient is dense is read as a whole before rows are gathered from it.
#
# 2026-11-28, tensorflow 2.21.0, numpy 2.4.6, Python 3.11:
#   new: shared; assign: shared; assign_add: shared; gather of a read: shared; gather: copied; then assign: copied;
#   sparse_read: copied; scatter_update: copied
. "$(dirname "$0")/lib.sh"
environment venv tensorflow==2.21.0 numpy==2.4.6
cat >reads.py <<'PY'
import numpy as np
import tensorflow as tf


def variable():
    return tf.Variable(tf.zeros((1000, 50)))


def show(name, read):
    first, second = read.read_value(), read.read_value()
    places = {np.from_dlpack(tensor).__array_interface__["data"][0] for tensor in (first, second)}
    print(f"{name}: {'shared' if len(places) == 1 else 'copied'}")


table = variable()
show("new", table)
table.assign(tf.ones((1000, 50)))
show("assign", table)
table.assign_add(tf.ones((1000, 50)))
show("assign_add", table)
tf.gather(table.read_value(), [1])
show("gather of a read", table)
tf.gather(table, [1])
show("gather", table)
table.assign(tf.ones((1000, 50)))
show("then assign", table)
table = variable()
table.sparse_read([1])
show("sparse_read", table)
table = variable()
table.scatter_update(tf.IndexedSlices(tf.ones((1, 50)), [1]))
show("scatter_update", table)
PY
TF_CPP_MIN_LOG_LEVEL=3 venv/bin/python reads.py 2>log | tee seen || { cat log; exit 2; }
printf '%s\n' "new: shared" "assign: shared" "assign_add: shared" "gather of a read: shared" "gather: copied" \
    "then assign: copied" "sparse_read: copied" "scatter_update: copied" | diff seen -
