#!/bin/bash
# Keras: a SparseCategoricalCrossentropy whose dtype is bfloat16 or mixed_bfloat16 learns other words from id 257 on.
#
# Expected: the dtype is that of the scores and the loss. Targets are integers, ids of words, and are not rounded.
# Seen: the class converts targets to its dtype, too. bfloat16 has eight bits of precision, so 257 becomes 256, and of
#   the ids from 32,768 to 65,536 only each 256th is left. The network learns the other word, and its loss falls to 0.
#   The accuracy that compile() reports takes targets in float32, and stays 0. With set_floatx("bfloat16"), all losses
#   are so. The global policies mixed_bfloat16 and bfloat16 do not change losses. The function
#   sparse_categorical_crossentropy keeps targets, but rounds what it compares with ignore_class: with bfloat16 scores,
#   ignore_class=50256 leaves out 257 words.
# lmctl: targets are integers, and scores and losses are float32, also with mixed_bfloat16.
#
# 2026-11-29, keras 3.15.1 (backend jax 0.10.2), numpy 2.4.6, Python 3.11; scores 20 for word 257, 0 for 999 others:
#   loss of 257, none: 0.00; float32: 0.00; bfloat16: 20.00; mixed_bfloat16: 20.00; function, bfloat16 scores: 0.00
#   trained on 257 with bfloat16: predicts 256, loss 0.00, accuracy 0.00
#   words of 50,000 to 50,500 that ignore_class=50256 leaves out: float32 scores 1, bfloat16 scores 257
. "$(dirname "$0")/lib.sh"
environment venv keras==3.15.1 jax==0.10.2 numpy==2.4.6
cat >targets.py <<'PY'
import keras
import numpy as np

function = keras.losses.sparse_categorical_crossentropy
target = np.array([257])
scores = np.zeros((1, 1000), np.float32)
scores[0, 257] = 20


def cross_entropy(dtype):
    return keras.losses.SparseCategoricalCrossentropy(from_logits=True, dtype=dtype)


dtypes = (None, "float32", "bfloat16", "mixed_bfloat16")
found = {str(dtype or "none"): float(cross_entropy(dtype)(target, scores)) for dtype in dtypes}
rounded = keras.ops.cast(scores, "bfloat16")
found["function, bfloat16 scores"] = float(function(target, rounded, from_logits=True)[0])
print("loss of 257, " + "; ".join(f"{name}: {abs(loss):.2f}" for name, loss in found.items()))

keras.utils.set_random_seed(1)
model = keras.Sequential([keras.layers.Embedding(1000, 8), keras.layers.Flatten(), keras.layers.Dense(1000)])
model.compile(
    loss=cross_entropy("bfloat16"), optimizer=keras.optimizers.SGD(5.0), metrics=["sparse_categorical_accuracy"]
)
before = np.full((64, 1), 3)
history = model.fit(before, np.full(64, 257), epochs=10, verbose=0).history
predicted = int(np.argmax(model.predict(before[:1], verbose=0)))
loss, accuracy = (history[name][-1] for name in ("loss", "sparse_categorical_accuracy"))
print(f"trained on 257 with bfloat16: predicts {predicted}, loss {abs(loss):.2f}, accuracy {accuracy:.2f}")

words = np.arange(50_000, 50_501)
left_out = []
for dtype in ("float32", "bfloat16"):
    equal = keras.ops.zeros((len(words), 51_000), dtype)
    losses = np.asarray(function(words, equal, from_logits=True, ignore_class=50_256), np.float32)
    left_out.append(f"{dtype} scores {(losses == 0).sum()}")
print("words of 50,000 to 50,500 that ignore_class=50256 leaves out: " + ", ".join(left_out))
PY
KERAS_BACKEND=jax venv/bin/python targets.py 2>log | tee seen || { cat log; exit 2; }
diff seen - <<'TXT'
loss of 257, none: 0.00; float32: 0.00; bfloat16: 20.00; mixed_bfloat16: 20.00; function, bfloat16 scores: 0.00
trained on 257 with bfloat16: predicts 256, loss 0.00, accuracy 0.00
words of 50,000 to 50,500 that ignore_class=50256 leaves out: float32 scores 1, bfloat16 scores 257
TXT
