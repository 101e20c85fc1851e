import math

import numpy as np
import pytest

from lmctl.families.feedforward.runtime import FeedForwardLanguageModel

SHAPES = [
    pytest.param({}, id="full"),
    pytest.param({"direct": False}, id="without-direct"),
    pytest.param({"order": 2}, id="bigram"),
    pytest.param({"order": 6, "tied": True}, id="tied-projected"),
    pytest.param({"adaptive": True}, id="adaptive"),
    pytest.param({"order": 4, "tied": True, "adaptive": True, "embedding_dim": 4}, id="adaptive-tied"),
]


@pytest.mark.parametrize("direct", [True, False])
def test_order_3_and_five_words_follow_the_formula(direct, make_sizes, make_weights):
    # Bengio et al. 2003: y = b + W x + U tanh(d + H x), here with W = U D; x is the older word's vector, then the
    # newer's.
    sizes = make_sizes(vocabulary_size=5, embedding_dim=2, hidden_units=2, direct=direct)
    weights = make_weights(sizes)
    model = FeedForwardLanguageModel(sizes, weights)

    found = model.log_probs(model.advance(model.null_state(1), np.array([[3], [1], [4]])))[0]

    x = [*weights["embedding"][1].tolist(), *weights["embedding"][4].tolist()]
    features = []
    for unit in range(2):
        score = sum(x[k] * float(weights["hidden.kernel"][k, unit]) for k in range(4))
        feature = math.tanh(score + float(weights["hidden.bias"][unit]))
        if direct:
            feature += sum(x[k] * float(weights["direct.kernel"][k, unit]) for k in range(4))
        features.append(feature)
    logits = [
        sum(features[k] * float(weights["softmax.embedding"][word, k]) for k in range(2))
        + float(weights["softmax.bias"][word])
        for word in range(5)
    ]
    total = math.log(sum(map(math.exp, logits)))
    assert found.tolist() == pytest.approx([logit - total for logit in logits], abs=1e-5)
    assert ("direct.kernel" in weights) == direct


@pytest.mark.parametrize("known", [0, 1, 2])
def test_before_the_start_of_a_text_stands_the_padding_vector(known, make_sizes, make_weights):
    sizes = make_sizes(vocabulary_size=5, embedding_dim=2, hidden_units=3)
    weights = make_weights(sizes)
    model = FeedForwardLanguageModel(sizes, weights)
    text = [2, 4][:known]

    found = model.features(model.advance(model.null_state(1), np.array(text, dtype=np.int64)[:, None]))[0]

    vectors = [weights["padding"]] * (2 - known) + [weights["embedding"][word] for word in text]
    x = np.concatenate(vectors)
    expected = np.tanh(x @ weights["hidden.kernel"] + weights["hidden.bias"]) + x @ weights["direct.kernel"]
    np.testing.assert_allclose(found, expected, atol=1e-6)


def test_the_padding_is_not_the_unknown_word(make_sizes, make_weights):
    sizes = make_sizes()
    weights = make_weights(sizes)
    other = dict(weights, embedding=weights["embedding"].copy())
    other["embedding"][0] += 1.0
    model, changed = (FeedForwardLanguageModel(sizes, each) for each in (weights, other))

    np.testing.assert_array_equal(
        model.features(model.initial_state(1)), changed.features(changed.initial_state(1))
    )
    unknown = np.array([[0]])
    assert (
        model.features(model.advance(model.null_state(1), unknown)).tolist()
        != changed.features(changed.advance(changed.null_state(1), unknown)).tolist()
    )


def test_the_state_is_the_last_words(make_model):
    model = make_model(order=4)

    assert model.null_state(2).tolist() == [[9, 9]] * 3
    assert model.initial_state(2).tolist() == [[9, 9], [9, 9], [1, 1]]
    state = model.advance(model.initial_state(2), np.array([[5, 6], [7, 8]]))
    assert state.tolist() == [[1, 1], [5, 6], [7, 8]]
    assert model.advance(state, np.array([[2, 3], [4, 5]]), np.array([1, 0])).tolist() == [[5, 1], [7, 6], [2, 8]]


def test_only_the_last_words_matter(make_model):
    model = make_model(order=3)
    texts = np.array([[2, 3, 8, 4, 5], [6, 7, 1, 4, 5]]).T

    first, second = model.log_probs(model.advance(model.initial_state(2), texts))

    assert first.tobytes() == second.tobytes()


@pytest.mark.parametrize("shape", SHAPES)
def test_reading_in_segments_of_any_length_is_reading_at_once(make_model, shape):
    model = make_model(**shape)
    token_ids = np.random.default_rng(1).integers(0, 9, (9, 3))
    whole, end = model.advance_with_features(model.initial_state(3), token_ids)

    for cuts in ([1], [4], [2, 3, 3, 8], range(1, 9)):
        state, parts = model.initial_state(3), []
        for part in np.split(token_ids, cuts):
            features, state = model.advance_with_features(state, part)
            parts.append(features)

        np.testing.assert_array_equal(np.concatenate(parts), whole)
        np.testing.assert_array_equal(state, end)


@pytest.mark.parametrize("shape", SHAPES)
def test_a_context_has_the_same_features_in_any_batch_bit_for_bit(make_model, shape, monkeypatch):
    model = make_model(**shape)
    contexts = np.random.default_rng(2).integers(0, 10, (model.sizes.context_words, 40))

    together = model.features(contexts)

    monkeypatch.setattr("lmctl.families.feedforward.runtime.NUMBERS_AT_ONCE", 200)
    np.testing.assert_array_equal(model.features(contexts), together)
    # The products of no word are stored, or of three words.
    for kept in (0, 3 * model.sizes.context_words * 2 * 4):
        monkeypatch.setattr("lmctl.families.feedforward.runtime.KEPT_NUMBERS", kept)
        again = make_model(**shape)
        np.testing.assert_array_equal(again.features(contexts), together)
        np.testing.assert_array_equal(again.features(contexts), together)
    for column in range(40):
        np.testing.assert_array_equal(model.features(contexts[:, column : column + 1])[0], together[column])


@pytest.mark.parametrize("shape", SHAPES)
def test_score_is_log_probs_of_each_target_after_the_inputs_up_to_it(make_model, shape):
    model = make_model(**shape)
    inputs, targets = np.random.default_rng(3).integers(0, 9, (2, 5, 2))

    found, _ = model.score(inputs, targets, np.array([5, 3]), model.null_state(2))

    state = model.null_state(2)
    for step in range(5):
        state = model.advance(state, inputs[step : step + 1])
        expected = model.log_probs(state)[np.arange(2), targets[step]]
        for column in range(2 if step < 3 else 1):
            assert found.log_probs[step, column] == pytest.approx(expected[column], abs=1e-5)
    assert found.log_probs[3:, 1].tolist() == [0.0, 0.0]


def test_a_state_is_never_changed_in_place(make_model):
    model = make_model()
    state = model.initial_state(2)
    before = state.copy()

    model.score(np.array([[2, 3]]), np.array([[3, 4]]), np.array([1, 1]), state)
    after = model.advance(state, np.array([[2, 3]]), np.array([1, 0]))
    after[:] = 0

    np.testing.assert_array_equal(state, before)


def test_reading_nothing_leaves_the_state_as_it_is(make_model):
    model = make_model()
    nothing = np.zeros((0, 2), dtype=np.int64)

    features, state = model.advance_with_features(model.initial_state(2), nothing)

    assert features.shape == (0, 2, 4)
    np.testing.assert_array_equal(state, model.initial_state(2))
