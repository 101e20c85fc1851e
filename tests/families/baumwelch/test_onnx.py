"""A hidden Markov model that was fitted by counting, in onnxruntime."""

import math

import numpy as np
import pytest

import lmctl
from lmctl.config import read_settings
from lmctl.families.onnx.check import open_session
from lmctl.jobs.export import export
from lmctl.jobs.train.run import train


@pytest.fixture
def model(tmp_path):
    """`model(*assignments)`: the folder of a model of the sentence "a a b"."""

    def run(*assignments):
        (tmp_path / "text.txt").write_text("a a b\n")
        asked = ("preset=baumwelch", "validation.fraction=0", "publishing.gate=false", "vocabulary.min_count=1")
        train([str(tmp_path / "text.txt")], tmp_path / "model", read_settings(assignments=[*asked, *assignments]))
        return tmp_path / "model"

    return run


def test_one_state_has_the_probabilities_of_counts(model, tmp_path):
    # Of the tokens a, a, b and </s>, with one added to the count of each of the four words: 3/8, 2/8 and 2/8.
    folder = model("model.states=1", "model.added=1")

    export(str(folder), "onnx", str(tmp_path / "model.onnx"))

    ids = lmctl.load(folder).vocabulary.encode(["a", "b"])
    session = open_session((tmp_path / "model.onnx").read_bytes())
    (nll,) = session.run(["nll"], {"x": np.array([ids, ids]), "x_lens": np.array([2, 1])})
    np.testing.assert_allclose(nll, [-math.log(3 / 8 * 2 / 8 * 2 / 8), -math.log(3 / 8 * 2 / 8)], rtol=1e-6)


def test_several_states_are_read_step_by_step(model, tmp_path):
    folder = model("model.states=3", "model.iterations=2")

    export(str(folder), "onnx-step", str(tmp_path / "model.onnx"))

    session = open_session((tmp_path / "model.onnx").read_bytes())
    assert session.get_modelmeta().custom_metadata_map["states"] == "3"
    runtime = lmctl.load(folder).language_model
    state = runtime.null_state(1)
    carried = {"block": np.zeros(1, dtype=np.int64), "states": np.zeros((1, 3), dtype=np.float32)}
    for token_id in (1, 2, 3, 2):
        log_probs, block, states = session.run(None, {"x": np.array([[token_id]]), **carried})
        carried = {"block": block, "states": states}
        state = runtime.advance(state, np.array([[token_id]]))
        np.testing.assert_allclose(log_probs, runtime.log_probs(state), atol=1e-6)
