#!/bin/bash
# NumPy with OpenBLAS: equal rows of one matrix have different products, and a row has other bits in another batch.
#
# Expected: X @ W computes every row by the same steps, so equal rows of X give equal rows, at least within one product
#   and with one thread.
# Seen: with the kernels for Haswell and Zen (AVX2), rows 0 to 5 and rows 6 to 11 of each twelve rows of float32 have
#   different last bits. The rows after the last twelve have others again, and so has a single row (gemv). Padding the batch
#   to a multiple of some number does not help: only products of the same shape agree. The kernels for Sandybridge give
#   equal rows, from two rows on.
# lmctl: lmctl/layers/products.py multiplies without rounding, so the order of the sums has no effect.
#
# 2026-11-27, numpy 2.4.6 with OpenBLAS 0.3.31.188.0, Python 3.11, AMD EPYC (Zen 3):
#   Haswell rows: 000000111111000000111111 | alone: another value | left over, of 16: 0000001111112222
#   Sandybridge rows: 000000000000000000000000
. "$(dirname "$0")/lib.sh"
grep -q ' avx2 ' /proc/cpuinfo || { echo "needs a processor with AVX2"; exit 2; }
environment venv numpy==2.4.6
cat >rows.py <<'PY'
import numpy as np

draw = np.random.default_rng(0)
matrix = draw.standard_normal((256, 1024)).astype(np.float32)
row = draw.standard_normal((1, 256)).astype(np.float32)
seen = {}
classes = lambda count: "".join(str(seen.setdefault(each.tobytes(), len(seen))) for each in np.repeat(row, count, 0) @ matrix)
print(classes(24), classes(16), classes(1))
PY
haswell=$(OPENBLAS_NUM_THREADS=1 OPENBLAS_CORETYPE=Haswell venv/bin/python rows.py)
sandybridge=$(OPENBLAS_NUM_THREADS=1 OPENBLAS_CORETYPE=Sandybridge venv/bin/python rows.py)
echo "Haswell: $haswell"
echo "Sandybridge: $sandybridge"
[ "$haswell" = "000000111111000000111111 0000001111112222 3" ] && [ "${sandybridge% *}" = "000000000000000000000000 0000000000000000" ]
