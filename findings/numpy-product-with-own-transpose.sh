#!/bin/bash
# NumPy: X @ X.T has other bits than X @ Y.T if Y is a copy of X.
#
# Expected: a product depends only on the values of its factors.
# Seen: if the second factor is the transposed view of the first one, matmul calls BLAS's syrk, which computes one triangle
#   and mirrors it. With a copy, it calls gemm. For float32, last bits differ. So a test that compares a product with the
#   product of copied inputs passes or fails depending on which array owns the memory.
# lmctl: a cache compares contexts by a product that is not rounded (lmctl/layers/products.py).
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
