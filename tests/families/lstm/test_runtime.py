import math

import msgspec
import numpy as np
import pytest

from lmctl.errors import DataError
from lmctl.families import find, load_language_model
from lmctl.families.base import LanguageModel
from lmctl.families.lstm.runtime import LSTMLanguageModel
from lmctl.families.lstm.sizes import LSTMSizes
from lmctl.families.lstm.weights import weight_shapes
from lmctl.families.mixture.sizes import MixtureSizes
from lmctl.layers.clusters import Cluster, one_cluster
from lmctl.store.bundle import open_bundle
from lmctl.store.writing import weights_file, write_bundle


def make_sizes(layers=2, tied=False, embedding_dim=None, hidden_units=4, vocabulary_size=9, adaptive=False):
    embedding_dim = embedding_dim or (hidden_units if tied else 3)
    dim = embedding_dim if tied else hidden_units
    clusters = one_cluster(vocabulary_size, dim)
    if adaptive:
        clusters = [
            Cluster(words=vocabulary_size - 4, width=dim),
            Cluster(words=2, width=2),
            Cluster(words=2, width=1),
        ]
    return LSTMSizes(
        vocabulary_size=vocabulary_size,
        embedding_dim=embedding_dim,
        hidden_units=hidden_units,
        layers=layers,
        tied=tied,
        clusters=clusters,
    )


def make_model(**sizes):
    generator = np.random.default_rng(5)
    dimensions = make_sizes(**sizes)
    weights = {
        name: generator.normal(size=shape).astype(np.float32) for name, shape in weight_shapes(dimensions).items()
    }
    return LSTMLanguageModel(dimensions, weights)


def sigmoid(x):
    return 1.0 / (1.0 + math.exp(-x))


def assert_states_equal(state, expected, tolerance=1e-6):
    np.testing.assert_allclose(state.hidden, expected.hidden, atol=tolerance)
    np.testing.assert_allclose(state.cell, expected.cell, atol=tolerance)


def test_one_unit_follows_the_equations_of_the_lstm():
    # Hochreiter & Schmidhuber 1997 with the forget gate of Gers et al. 2000, gates in the order i, f, c, o.
    kernel, recurrent, bias = [0.3, -0.2, 0.9, 0.4], [0.1, 0.6, -0.7, 0.8], [0.05, 1.0, -0.1, 0.2]
    embedding = [0.5, -1.5]
    model = LSTMLanguageModel(
        make_sizes(layers=1, embedding_dim=1, hidden_units=1, vocabulary_size=2),
        {
            "embedding": np.array(embedding, np.float32)[:, None],
            "lstm.0.kernel": np.array([kernel], np.float32),
            "lstm.0.recurrent_kernel": np.array([recurrent], np.float32),
            "lstm.0.bias": np.array(bias, np.float32),
            "softmax.embedding": np.array([[2.0], [-1.0]], np.float32),
            "softmax.bias": np.array([0.5, 0.0], np.float32),
        },
    )
    hidden = cell = 0.0
    for token_id in (1, 0):
        i, f, c, o = (
            embedding[token_id] * kernel[gate] + hidden * recurrent[gate] + bias[gate] for gate in range(4)
        )
        cell = sigmoid(f) * cell + sigmoid(i) * math.tanh(c)
        hidden = sigmoid(o) * math.tanh(cell)

    state = model.advance(model.null_state(1), np.array([[1], [0]]))

    assert state.hidden.item() == pytest.approx(hidden, abs=1e-6)
    assert state.cell.item() == pytest.approx(cell, abs=1e-6)
    # Of two words the first has the probability sigmoid(logit 0 - logit 1).
    assert model.log_probs(state)[0, 0] == pytest.approx(math.log(sigmoid(2.0 * hidden + 0.5 + hidden)), abs=1e-6)


@pytest.mark.parametrize("adaptive", [False, True])
@pytest.mark.parametrize("tied", [False, True])
@pytest.mark.parametrize("layers", [1, 2, 3])
def test_reading_in_two_segments_is_reading_in_one(layers, tied, adaptive):
    model = make_model(layers=layers, tied=tied, adaptive=adaptive)
    token_ids = np.random.default_rng(1).integers(0, 9, (7, 3))

    whole = model.advance(model.null_state(3), token_ids)
    parts = model.advance(model.advance(model.null_state(3), token_ids[:4]), token_ids[4:])

    assert_states_equal(parts, whole)


@pytest.mark.parametrize("adaptive", [False, True])
def test_padding_changes_neither_scores_nor_states(adaptive):
    model = make_model(adaptive=adaptive)
    generator = np.random.default_rng(2)
    inputs, targets = generator.integers(0, 9, (2, 6, 4))
    lengths = np.array([6, 1, 0, 4])
    start = model.advance(model.null_state(4), generator.integers(0, 9, (2, 4)))

    found, state = model.score(inputs, targets, lengths, start, ranks=True)
    advanced = model.advance(start, inputs, lengths)

    for column, length in enumerate(lengths):
        alone = type(start)(start.hidden[:, [column]], start.cell[:, [column]])
        there = (slice(0, length), slice(column, column + 1))
        scores, end = model.score(inputs[there], targets[there], np.array([length]), alone, ranks=True)
        np.testing.assert_allclose(found.log_probs[there], scores.log_probs, atol=1e-6)
        np.testing.assert_array_equal(found.ranks[there], scores.ranks)
        assert not found.log_probs[length:, column].any()
        assert not found.ranks[length:, column].any()
        for ended in (state, advanced):
            assert_states_equal(type(start)(ended.hidden[:, [column]], ended.cell[:, [column]]), end)


@pytest.mark.parametrize("tied", [False, True])
@pytest.mark.parametrize("adaptive", [False, True])
def test_score_is_log_probs_of_each_target_after_the_inputs_up_to_it(adaptive, tied):
    model = make_model(adaptive=adaptive, tied=tied)
    inputs, targets = np.random.default_rng(3).integers(0, 9, (2, 5, 2))

    found, _ = model.score(inputs, targets, np.array([5, 5]), model.null_state(2))

    state = model.null_state(2)
    for step in range(5):
        state = model.advance(state, inputs[step : step + 1])
        expected = model.log_probs(state)[np.arange(2), targets[step]]
        np.testing.assert_allclose(found.log_probs[step], expected, atol=1e-5)
    assert found.ranks is None


@pytest.mark.parametrize("allowed", [None, np.arange(9) % 2 == 1, np.arange(9) > 5])
@pytest.mark.parametrize("k", [0, 1, 4, 9, 12])
def test_the_adaptive_top_k_is_that_of_all_log_probabilities(k, allowed):
    model = make_model(adaptive=True)
    state = model.advance(model.null_state(3), np.array([[2, 7, 8]]))

    found = model.top_k(state, k, allowed)

    ids, log_probs = LanguageModel.top_k(model, state, k, allowed)
    np.testing.assert_array_equal(found[0], ids)
    np.testing.assert_allclose(found[1], log_probs, atol=1e-6)


@pytest.mark.parametrize("adaptive", [False, True])
def test_rank_one_is_the_word_that_top_k_answers_first(adaptive):
    model = make_model(adaptive=adaptive)
    inputs = np.array([[3], [5]])
    first, _ = model.top_k(model.advance(model.null_state(1), inputs), 1)

    found, _ = model.score(inputs, np.array([[0], [first[0, 0]]]), np.array([2]), model.null_state(1), ranks=True)

    assert found.ranks[1, 0] == 1


def test_a_state_is_never_changed_in_place():
    model = make_model()
    state = model.initial_state(2)
    hidden, cell = state.hidden.copy(), state.cell.copy()

    model.score(np.array([[2, 3]]), np.array([[3, 4]]), np.array([1, 1]), state)
    model.advance(state, np.array([[2, 3]]), np.array([1, 0]))

    np.testing.assert_array_equal(state.hidden, hidden)
    np.testing.assert_array_equal(state.cell, cell)


def test_reading_nothing_leaves_the_state_as_it_is():
    model = make_model()
    state = model.initial_state(2)

    after = model.advance(state, np.zeros((0, 2), dtype=np.int64))

    np.testing.assert_array_equal(after.hidden, state.hidden)
    np.testing.assert_array_equal(after.cell, state.cell)


def test_a_sentence_starts_from_zeros_advanced_by_the_sentence_end():
    model = make_model()

    assert not model.null_state(3).hidden.any()
    assert not model.null_state(3).cell.any()
    assert_states_equal(model.initial_state(3), model.advance(model.null_state(3), np.array([[1, 1, 1]])), 0.0)


def test_features_are_the_last_layers_outputs_one_row_a_context():
    model = make_model(layers=3)
    state = model.advance(model.null_state(5), np.array([[2, 3, 4, 5, 6]]))

    features = model.features(state)

    assert features.shape == (5, 4)
    np.testing.assert_array_equal(features, state.hidden[2])


@pytest.mark.parametrize("ranks", [False, True])
def test_scores_come_with_the_features_that_each_target_was_predicted_from(ranks):
    model = make_model(layers=2)
    inputs, targets = np.random.default_rng(6).integers(0, 9, (2, 5, 3))
    lengths = np.array([5, 0, 3])
    start = model.initial_state(3)

    found, end = model.score(inputs, targets, lengths, start, ranks=ranks, features=True)
    along, advanced = model.advance_with_features(start, inputs, lengths)

    for step in range(5):
        features = model.features(model.advance(start, inputs[: step + 1]))
        there = step < lengths
        np.testing.assert_allclose(found.features[step, there], features[there], atol=1e-6)
        np.testing.assert_array_equal(along[step, there], found.features[step, there])
    assert_states_equal(advanced, end, 0.0)
    without, _ = model.score(inputs, targets, lengths, start, ranks=ranks)
    np.testing.assert_array_equal(without.log_probs, found.log_probs)
    assert without.features is None


@pytest.mark.parametrize("adaptive", [False, True])
def test_log_probs_along_a_text_are_those_of_each_state_in_turn(adaptive):
    model = make_model(adaptive=adaptive)
    token_ids = np.random.default_rng(8).integers(0, 9, (5, 3))
    lengths = np.array([5, 0, 3])
    start = model.initial_state(3)

    found, end = model.advance_with_log_probs(start, token_ids, lengths)
    expected, state = LanguageModel.advance_with_log_probs(model, start, token_ids, lengths)

    there = np.arange(5)[:, None] < lengths
    np.testing.assert_allclose(found[there], expected[there], atol=1e-6)
    assert_states_equal(end, state)


def test_weight_shapes_of_two_layers():
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


def test_tied_weights_have_no_output_embedding():
    assert "softmax.embedding" not in weight_shapes(make_sizes(tied=True))


def test_tied_to_an_embedding_of_another_dimension_there_is_a_projection():
    shapes = weight_shapes(make_sizes(tied=True, embedding_dim=3))

    assert shapes["softmax.projection"] == (4, 3)
    assert "softmax.embedding" not in shapes


def test_weight_shapes_of_an_adaptive_softmax():
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


def test_tied_to_an_adaptive_softmax_the_input_embedding_is_in_clusters():
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

    assert_states_equal(
        model.advance(model.null_state(1), token_ids),
        LSTMLanguageModel(bundle.record.sizes, weights).advance(model.null_state(1), token_ids),
        0.0,
    )


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
