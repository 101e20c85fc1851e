"""Models for Keras and for LiteRT compute what the runtime computes, where lmctl is not there."""

from __future__ import annotations

import itertools
import subprocess
import sys

import numpy as np
import pytest
from random_networks import clusters_of, drawn

import lmctl
from lmctl.errors import DataError, MissingExtraError, UsageError
from lmctl.jobs.export import export

pytestmark = [pytest.mark.usefixtures("cpu"), pytest.mark.slow]

SHAPES = list(itertools.product((1, 2), (3, 4), (False, True), (False, True)))
# Reads a model and prints log probabilities, in a process that has no lmctl.
KERAS = """
import sys
sys.modules["lmctl"] = None
import keras, numpy as np
model = keras.models.load_model(sys.argv[1])
np.save(sys.argv[2], np.log(model.predict(np.load(sys.argv[3]), verbose=0)))
"""
LITERT = """
import sys
sys.modules["lmctl"] = sys.modules["tensorflow"] = None
import numpy as np
from ai_edge_litert.interpreter import Interpreter
step = Interpreter(sys.argv[1]).get_signature_runner()
state = {"hidden": np.zeros((2, 1, 4), np.float32), "cell": np.zeros((2, 1, 4), np.float32)}
along = []
for token in np.load(sys.argv[3])[0]:
    found = step(token=np.array([token], np.int32), **state)
    state = {"hidden": found["next_hidden"], "cell": found["next_cell"]}
    along.append(found["log_probs"])
np.save(sys.argv[2], np.array(along).transpose(1, 0, 2))
"""


@pytest.fixture
def bundle(make_bundle, tmp_path):
    """`bundle(layers, embedding_dim, tied, adaptive)`: an LSTM of nine words with random weights."""

    def make(layers=2, embedding_dim=3, tied=False, adaptive=False):
        width = embedding_dim if tied else 4
        clusters = clusters_of(9, width, *(((2, 2), (2, 1)) if adaptive else ()))
        sizes = {
            "layers": layers,
            "embedding_dim": embedding_dim,
            "tied": tied,
            "clusters": [{"words": each.words, "width": each.width} for each in clusters],
        }
        return make_bundle(tmp_path / "bundle", sizes=sizes)

    return make


def read_elsewhere(program, model, tmp_path, token_ids):
    """The log probabilities that a program without lmctl reads from a model."""
    np.save(tmp_path / "ids.npy", token_ids)
    subprocess.run(
        [sys.executable, "-c", program, str(model), str(tmp_path / "found.npy"), str(tmp_path / "ids.npy")],
        check=True,
        capture_output=True,
    )
    return np.load(tmp_path / "found.npy")


def own_log_probs(bundle, token_ids):
    """Those of the runtime, (N, T, V)."""
    runtime = lmctl.load(bundle).runtime
    along, _ = runtime.advance_with_log_probs(runtime.null_state(len(token_ids)), token_ids.T)
    return along.transpose(1, 0, 2)


@pytest.mark.parametrize("format", ["keras", "litert"])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_every_shape_of_network_is_the_same_in_the_file(bundle, tmp_path, caplog, format, shape):
    caplog.set_level("INFO", "lmctl")

    # The export itself compares, and refuses a difference.
    export(str(bundle(*shape)), format, str(tmp_path / "model"))

    reader = {"keras": "to Keras 3.", "litert": "to LiteRT 2."}[format]
    assert f"largest difference of the log probability of a word {reader}" in caplog.text
    assert "(1050 tokens)" in caplog.text


@pytest.mark.parametrize(("format", "program"), [("keras", KERAS), ("litert", LITERT)])
def test_a_program_without_lmctl_reads_the_model(bundle, tmp_path, format, program):
    folder = bundle(2, 3, tied=True, adaptive=True)
    token_ids = np.random.default_rng(1).integers(9, size=(1, 8))

    export(str(folder), format, str(tmp_path / f"model.{format}"))

    found = read_elsewhere(program, tmp_path / f"model.{format}", tmp_path, token_ids)
    np.testing.assert_allclose(found, own_log_probs(folder, token_ids), rtol=0, atol=1e-4)


@pytest.mark.parametrize("format", ["keras", "litert"])
def test_the_same_model_gives_the_same_bytes(bundle, tmp_path, format):
    folder = str(bundle(adaptive=True))
    for name in ("one", "two"):
        export(folder, format, str(tmp_path / name))

    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()


@pytest.mark.parametrize("format", ["keras", "litert"])
def test_other_numbers_are_refused(bundle, tmp_path, monkeypatch, format):
    from lmctl.families.lstm.keras import export as module

    for name in ("stock_model", "make_step"):
        made = getattr(module, name)
        monkeypatch.setattr(
            module,
            name,
            lambda sizes, weights, made=made: made(
                sizes, {**weights, "softmax.bias": drawn({"b": (9,)}, seed=1)["b"]}
            ),
        )

    with pytest.raises(DataError, match="reads other probabilities from the exported model"):
        export(str(bundle()), format, str(tmp_path / "model"))
    assert not (tmp_path / "model").exists()


@pytest.mark.parametrize("format", ["keras", "litert"])
def test_a_table_that_no_file_holds_is_refused_with_its_size(bundle, tmp_path, monkeypatch, format):
    from lmctl.families.lstm.keras import export as module

    monkeypatch.setattr(module, "MOST_BYTES", 100)

    with pytest.raises(UsageError, match=r"a table of word vectors has 144 bytes; at most 100 fit"):
        export(str(bundle()), format, str(tmp_path / "model"))


def test_missing_packages_are_named_with_their_extras(bundle, tmp_path, monkeypatch):
    from importlib.util import find_spec

    folder = str(bundle())
    for package, extra in (("ai_edge_litert", "litert"), ("tensorflow", "train")):
        monkeypatch.setattr(
            "importlib.util.find_spec",
            lambda name, package=package: None if name == package else find_spec(name),
        )
        with pytest.raises(MissingExtraError, match=rf"pip install 'lmctl\[{extra}\]'"):
            export(folder, "litert", str(tmp_path / "model"))
