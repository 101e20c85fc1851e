#!/bin/bash
# NumPy: searchsorted of int64 values in uint64 keys is wrong from 2^53 on, without a warning.
#
# Expected: integers are compared as integers, as by NumPy 2's comparison operators, or the mixture of types is refused.
# Seen: keys and values are both converted to float64, the common type of int64 and uint64. Neighbours above 2^53 become
#   equal. `keys == value` on the same arrays is right, so a check of the result does not notice.
# lmctl: keys of n-grams are uint64, and every value is converted to uint64 before a search.
#
# 2026-11-27, numpy 2.4.6, Python 3.11: searchsorted finds place 0 for 2^53 + 1, which stands at place 1; == finds 1.
. "$(dirname "$0")/lib.sh"
environment venv numpy==2.4.6
venv/bin/python -W error - <<'PY'
import numpy as np

keys = np.array([2**53, 2**53 + 1, 2**53 + 2], dtype=np.uint64)
value = np.array([2**53 + 1], dtype=np.int64)
found = np.searchsorted(keys, value)[0], np.searchsorted(keys, value.astype(np.uint64))[0], np.flatnonzero(keys == value)[0]
print("int64 value: place %d; as uint64: place %d; by ==: place %d" % found)
assert found == (0, 1, 1)
PY
