#!/bin/bash
# Keras: a .keras file stores weights under the kinds of layers, not under their names, and no two files are the same.
#
# Expected: layers named `words` and `next` have their weights at layers/words and layers/next in model.weights.h5, as
#   the .h5 format has them; the same model gives the same bytes.
# Seen: they are at layers/embedding and layers/dense, with _1, _2 for further layers of a kind, in the order of the
#   model; the names are only in config.json. Two saves of one model differ: metadata.json has the time, and
#   `shared_object_id` in config.json is the place of an object in memory.
# lmctl: `import` counts the kinds of layers; `export --to keras` leaves the time out and numbers the objects.
#
# 2026-11-28, keras 3.15.1 (backend jax 0.10.2), h5py 3.14.0, Python 3.11: groups dense, embedding, lstm, lstm_1
. "$(dirname "$0")/lib.sh"
environment venv keras==3.15.1 jax==0.10.2 h5py==3.14.0
KERAS_BACKEND=jax venv/bin/python - <<'PY'
import subprocess
import sys
import zipfile

import h5py

SAVE = """
import sys, keras
keras.utils.set_random_seed(1)
model = keras.Sequential([
    keras.layers.Embedding(7, 3, name="words"),
    keras.layers.LSTM(4, return_sequences=True, name="second"),
    keras.layers.LSTM(4, name="first"),
    keras.layers.Dense(7, name="next"),
])
model.build((None, 5))
model.save(sys.argv[1])
"""
for name in ("one.keras", "two.keras"):
    subprocess.run([sys.executable, "-c", SAVE, name], check=True)
with zipfile.ZipFile("one.keras") as one, zipfile.ZipFile("two.keras") as two:
    one.extract("model.weights.h5")
    same = {name: one.read(name) == two.read(name) for name in one.namelist()}
groups = sorted(h5py.File("model.weights.h5")["layers"])
print(f"groups {', '.join(groups)}; the same in two saves: {same}")
assert groups == ["dense", "embedding", "lstm", "lstm_1"]
assert not same["config.json"]
PY
