#!/bin/bash
# Keras: with gradient accumulation, the averaged weights replace the weights in the middle of an accumulated batch.
#
# Expected: 4 batches of 8 rows with gradient_accumulation_steps=4 train as batches of 32 rows do. The weights change
#   with an update only, so their average (use_ema=True) takes them in once an update, and replaces them at the updates
#   whose number is a multiple of ema_overwrite_frequency: "EMA frequency will look at accumulated iterations value".
# Seen: without an average, the weights are those of batches of 32. The average is updated after every batch of 8. An
#   update thus counts four times, and the average of about 100 updates (ema_momentum=0.99) is one of about 25.
#   The replacement goes by the number of the update, which the four batches of 8 share, so it takes place after each of
#   them. The first of the four gradients is of the weights before the replacement, and the other three are of the
#   averages, to which their sum is then applied.
# lmctl: has no gradient accumulation, and updates its averages after whole steps.
#
# 2026-11-30, keras 3.15.1, jax 0.10.2, Python 3.11; weight after 120 updates, batches of 32, and 4 of 8; by hand:
#   no average: 2.741, 2.741; once an update 2.741, once a batch of 8 2.741
#   average: 1.501, 2.499; once an update 1.501, once a batch of 8 2.499
#   average that replaces the weights every 30 updates: 0.786, 1.758; once an update 0.786, once a batch of 8 1.758
. "$(dirname "$0")/lib.sh"
environment venv keras==3.15.1 jax==0.10.2 numpy==2.4.6
cat >batches.py <<'PY'
import keras
import numpy as np

UPDATES, ROWS, PARTS, RATE, MOMENTUM = 120, 32, 4, 0.01, 0.99
drawn = np.random.default_rng(1)
inputs = drawn.normal(size=(UPDATES * ROWS, 1)).astype("float32")
targets = 3 * inputs + drawn.normal(size=inputs.shape).astype("float32")


def gradient(weight, rows):
    return float(np.mean(2 * (weight * inputs[rows] - targets[rows]) * inputs[rows]))


def trained(batch, **settings):
    """The weight of a linear model after one pass over the rows in their order."""
    optimizer = keras.optimizers.SGD(RATE, **settings)
    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1, use_bias=False, kernel_initializer="zeros")])
    model.compile(optimizer, loss="mse")
    model.fit(inputs, targets, batch_size=batch, shuffle=False, verbose=0)
    return float(model.get_weights()[0][0, 0])


def by_hand(average, every, as_keras):
    """The weight, or its average, if batches of 8 are summed; `as_keras`: with an average for every batch of 8."""
    weight = mean = total = 0.0
    for part in range(UPDATES * PARTS):
        size = ROWS // PARTS
        total += gradient(weight, slice(part * size, (part + 1) * size))
        updates, rest = divmod(part, PARTS)
        if rest == PARTS - 1:
            weight -= RATE * total / PARTS
            total = 0.0
        if average and (as_keras or rest == PARTS - 1):
            mean = MOMENTUM * mean + (1 - MOMENTUM) * weight if updates else weight
            if every and (updates + 1) % every == 0:
                weight = mean
    return mean if average else weight


for name, settings in (
    ("no average", {}),
    ("average", {"use_ema": True}),
    ("average that replaces the weights every 30 updates", {"use_ema": True, "ema_overwrite_frequency": 30}),
):
    average, every = "use_ema" in settings, settings.get("ema_overwrite_frequency")
    settings = {**settings, "ema_momentum": MOMENTUM} if average else settings
    print(
        f"{name}: {trained(ROWS, **settings):.3f}, "
        f"{trained(ROWS // PARTS, gradient_accumulation_steps=PARTS, **settings):.3f}; "
        f"once an update {by_hand(average, every, False):.3f}, once a batch of 8 {by_hand(average, every, True):.3f}"
    )
PY
export KERAS_BACKEND=jax
venv/bin/python batches.py 2>log | tee seen || { cat log; exit 2; }
diff seen - <<'TXT'
no average: 2.741, 2.741; once an update 2.741, once a batch of 8 2.741
average: 1.501, 2.499; once an update 1.501, once a batch of 8 2.499
average that replaces the weights every 30 updates: 0.786, 1.758; once an update 0.786, once a batch of 8 1.758
TXT
