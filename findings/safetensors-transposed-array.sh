#!/bin/bash
# safetensors: since 0.8.0, its NumPy writer stores a transposed array with its elements in another order, without an error.
#
# Expected: load(save(x)) is x, or an array that is not contiguous is refused, as by the torch writer.
# Seen: 0.8.0 writes the shape of the view and the bytes of the array behind it. 0.7.0 wrote the right elements.
# lmctl: makes a contiguous copy of all weights before it stores them.
#
# 2026-11-27, numpy 2.4.6, Python 3.11, of [[0, 3], [1, 4], [2, 5]]:
#   0.7.0: [[0.0, 3.0], [1.0, 4.0], [2.0, 5.0]]; 0.8.0: [[0.0, 1.0], [2.0, 3.0], [4.0, 5.0]]
. "$(dirname "$0")/lib.sh"
environment old numpy==2.4.6 safetensors==0.7.0
environment new numpy==2.4.6 safetensors==0.8.0
cat >save.py <<'PY'
import numpy as np
from safetensors.numpy import load, save

print(load(save({"x": np.arange(6, dtype=np.float32).reshape(2, 3).T}))["x"].tolist())
PY
old=$(old/bin/python save.py) new=$(new/bin/python save.py)
echo "0.7.0: $old; 0.8.0: $new"
[ "$old" = "[[0.0, 3.0], [1.0, 4.0], [2.0, 5.0]]" ] && [ "$new" = "[[0.0, 1.0], [2.0, 3.0], [4.0, 5.0]]" ]
