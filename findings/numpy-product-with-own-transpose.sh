#!/bin/bash
# NumPy: X @ X.T has other bits than X @ Y.T for a copy Y of X.
#
# Expected: a product depends on the values of its factors alone.
# Seen: if the second factor is the first one's transposed view, matmul calls BLAS's syrk, which computes one triangle
#   and mirrors it; a copy goes through gemm. For float32, last bits differ. A test that compares a product with that of
#   copied inputs fails by who owns the memory.
# lmctl: a cache compares contexts with remembered ones by a product that is not rounded (lmctl/layers/products.py).
#
# 2026-11-27, numpy 2.4.6 with OpenBLAS 0.3.31.188.0, Python 3.11: 328 of 2500 elements differ (kernels for Haswell).
. "$(dirname "$0")/lib.sh"
grep -q ' avx2 ' /proc/cpuinfo || { echo "needs a processor with AVX2"; exit 2; }
environment venv numpy==2.4.6
OPENBLAS_NUM_THREADS=1 OPENBLAS_CORETYPE=Haswell venv/bin/python - <<'PY'
import numpy as np

values = np.random.default_rng(0).standard_normal((50, 70)).astype(np.float32)
different = np.count_nonzero(values @ values.T != values @ values.copy().T)
print(f"{different} of 2500 elements differ")
assert different
PY
