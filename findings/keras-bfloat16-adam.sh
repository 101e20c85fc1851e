#!/bin/bash
# Keras: with its default settings, Adam never changes a weight of type bfloat16.
#
# Expected: a network with the dtype policy bfloat16 learns, if less exactly, as it does with SGD and RMSprop.
# Seen: the correction of the second moments, 1 - 0.999^t, is computed in the type of the weight. In bfloat16, 0.999 is
#   1, so it is 0 in every step, and the step is multiplied by its square root. AdamW stands still as well, and Nadam
#   makes every weight nan. There is no message; the loss stays at its first value. beta_2=0.99 is rounded to a number
#   below 1, and float16 has bits enough for 0.999. With the policy mixed_bfloat16, weights are float32 and learn.
# lmctl: weights and moments are float32, also with mixed_bfloat16.
#
# 2026-11-29, keras 3.15.1 (backend jax 0.10.2), numpy 2.4.6, Python 3.11, a weight of 1 after 20 steps of 0.1:
#   Adam: float32 -1.00, bfloat16 1.00, float16 -0.98
#   Adam, beta_2=0.99: float32 -1.00, bfloat16 -1.14, float16 -0.97
#   AdamW: float32 -1.00, bfloat16 1.00, float16 -0.98
#   Nadam: float32 -0.65, bfloat16 nan, float16 -0.66
#   RMSprop: float32 -1.86, bfloat16 -1.87, float16 -1.86
. "$(dirname "$0")/lib.sh"
environment venv keras==3.15.1 jax==0.10.2 numpy==2.4.6
cat >steps.py <<'PY'
import keras
import numpy as np


def weight_after_steps(name, dtype, settings):
    weight = keras.Variable(np.ones(1), dtype=dtype)
    optimizer = getattr(keras.optimizers, name)(learning_rate=0.1, **settings)
    optimizer.build([weight])
    for _ in range(20):
        optimizer.apply([keras.ops.full((1,), 0.5, dtype)], [weight])
    return float(keras.ops.cast(weight, "float32")[0])


for name, settings in (("Adam", {}), ("Adam", {"beta_2": 0.99}), ("AdamW", {}), ("Nadam", {}), ("RMSprop", {})):
    found = {dtype: weight_after_steps(name, dtype, settings) for dtype in ("float32", "bfloat16", "float16")}
    title = ", ".join([name, *(f"{key}={value}" for key, value in settings.items())])
    print(f"{title}: " + ", ".join(f"{dtype} {weight:.2f}" for dtype, weight in found.items()))
PY
KERAS_BACKEND=jax venv/bin/python steps.py 2>log | tee seen || { cat log; exit 2; }
diff seen - <<'TXT'
Adam: float32 -1.00, bfloat16 1.00, float16 -0.98
Adam, beta_2=0.99: float32 -1.00, bfloat16 -1.14, float16 -0.97
AdamW: float32 -1.00, bfloat16 1.00, float16 -0.98
Nadam: float32 -0.65, bfloat16 nan, float16 -0.66
RMSprop: float32 -1.86, bfloat16 -1.87, float16 -1.86
TXT
