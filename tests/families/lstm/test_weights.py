"""The shapes of the weights, and bundles whose weights do not have them."""

import msgspec
import numpy as np
import pytest

from lmctl.errors import DataError
from lmctl.families import find, load_language_model
from lmctl.families.lstm.runtime import LSTMLanguageModel
from lmctl.families.lstm.weights import weight_shapes
from lmctl.families.mixture.sizes import MixtureSizes
from lmctl.store.bundle import open_bundle
from lmctl.store.writing import weights_file, write_bundle


def test_weight_shapes_of_two_layers(make_sizes):
    assert weight_shapes(make_sizes()) == {
        "embedding": (9, 3),
        "lstm.0.kernel": (3, 16),
        "lstm.0.recurrent_kernel": (4, 16),
        "lstm.0.bias": (16,),
        "lstm.1.kernel": (4, 16),
        "lstm.1.recurrent_kernel": (4, 16),
        "lstm.1.bias": (16,),
        "softmax.embedding": (9, 4),
        "softmax.bias": (9,),
    }


def test_tied_weights_have_no_output_embedding(make_sizes):
    assert "softmax.embedding" not in weight_shapes(make_sizes(tied=True))


def test_tied_to_an_embedding_of_another_dimension_there_is_a_projection(make_sizes):
    shapes = weight_shapes(make_sizes(tied=True, embedding_dim=3))

    assert shapes["softmax.projection"] == (4, 3)
    assert "softmax.embedding" not in shapes


def test_weight_shapes_of_an_adaptive_softmax(make_sizes):
    assert weight_shapes(make_sizes(layers=1, adaptive=True)) == {
        "embedding": (9, 3),
        "lstm.0.kernel": (3, 16),
        "lstm.0.recurrent_kernel": (4, 16),
        "lstm.0.bias": (16,),
        "softmax.embedding.0": (5, 4),
        "softmax.embedding.1": (2, 2),
        "softmax.embedding.1.projection": (2, 4),
        "softmax.embedding.2": (2, 1),
        "softmax.embedding.2.projection": (1, 4),
        "softmax.bias": (9,),
        "softmax.clusters": (2, 4),
        "softmax.clusters.bias": (2,),
    }


def test_tied_to_an_adaptive_softmax_the_input_embedding_is_in_clusters(make_sizes):
    assert weight_shapes(make_sizes(layers=1, tied=True, embedding_dim=3, adaptive=True)) == {
        "embedding.0": (5, 3),
        "embedding.1": (2, 2),
        "embedding.1.projection": (2, 3),
        "embedding.2": (2, 1),
        "embedding.2.projection": (1, 3),
        "lstm.0.kernel": (3, 16),
        "lstm.0.recurrent_kernel": (4, 16),
        "lstm.0.bias": (16,),
        "softmax.projection": (4, 3),
        "softmax.bias": (9,),
        "softmax.clusters": (2, 3),
        "softmax.clusters.bias": (2,),
    }


@pytest.fixture
def rewrite(tmp_path, make_bundle):
    """Write a sound bundle again, with `change` made to its weights or to its record."""

    def write(change=dict.copy, sizes=None, **record):
        sound = open_bundle(make_bundle(tmp_path / "sound", sizes=sizes))
        weights = sound.weights()
        change(weights)
        contents = {name: sound.read(name) for name in sound.record.files}
        contents["weights.safetensors"] = weights_file(weights)
        write_bundle(tmp_path / "changed", msgspec.structs.replace(sound.record, **record), contents)
        return open_bundle(tmp_path / "changed")

    return write


@pytest.mark.parametrize(
    "sizes", [{}, {"clusters": [{"words": 6, "width": 4}, {"words": 3, "width": 2}]}], ids=["full", "adaptive"]
)
def test_a_bundle_gives_the_weights_that_were_written(rewrite, sizes):
    bundle = rewrite(sizes=sizes)
    weights = bundle.weights()

    model = load_language_model(bundle)
    token_ids = np.array([[1], [4]])

    found = model.advance(model.null_state(1), token_ids)
    expected = LSTMLanguageModel(bundle.record.sizes, weights).advance(model.null_state(1), token_ids)
    np.testing.assert_array_equal(found.hidden, expected.hidden)
    np.testing.assert_array_equal(found.cell, expected.cell)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda weights: weights.pop("lstm.1.bias"), "weight lstm.1.bias is missing"),
        (lambda weights: weights.pop("softmax.embedding"), "weight softmax.embedding is missing"),
        (
            lambda weights: weights.update({"lstm.2.bias": np.zeros(16, np.float32)}),
            "weight lstm.2.bias is not one of this family",
        ),
        (
            lambda weights: weights.update({"embedding": np.zeros((9, 4), np.float32)}),
            r"weight embedding is float32 \(9, 4\), but the sizes in model.json want float32 \(9, 3\)",
        ),
        (
            lambda weights: weights.update({"softmax.bias": np.zeros(9, np.float64)}),
            r"weight softmax.bias is float64 \(9,\), but the sizes in model.json want float32 \(9,\)",
        ),
    ],
)
def test_weights_that_do_not_fit_are_refused_by_name(rewrite, change, message):
    with pytest.raises(DataError, match=message):
        load_language_model(rewrite(change))


def test_the_weights_of_another_family_are_refused(rewrite):
    sizes = MixtureSizes(vocabulary_size=9, weights=[0.5, 0.5])

    bundle = rewrite()
    bundle.record = msgspec.structs.replace(bundle.record, sizes=sizes)
    with pytest.raises(DataError, match="family mixture; expected lstm"):
        find("lstm").load(bundle, [])
