import numpy as np
import pytest

from lmctl.families.masked import runtime
from lmctl.families.masked.runtime import MaskedModel, _windows

SHAPES = [
    pytest.param({}, id="tied"),
    pytest.param({"layers": 1, "heads": 4, "tied": False, "adaptive": True}, id="untied-adaptive"),
]


@pytest.fixture
def make_runtime(make_sizes, make_weights):
    """`make_runtime(scale=, **sizes)`: the model, its sizes and its weights."""

    def make(**changed):
        sizes = make_sizes(**changed)
        weights = make_weights(sizes)
        return MaskedModel(sizes, weights), sizes, weights

    return make


def sentence(*words):
    return np.array([1, *words, 1])


@pytest.mark.parametrize("shape", SHAPES)
def test_features_are_the_formula(make_runtime, hidden_plainly, shape):
    model, sizes, weights = make_runtime(**shape)
    texts = [sentence(5, 2, 7, 3), sentence(), np.array([4, 4, 8]), np.array([6, 1, 2, 3, 1, 5])]

    for text, found in zip(texts, model.features(texts), strict=True):
        np.testing.assert_allclose(found, hidden_plainly(sizes, weights, text.tolist()), atol=1e-4)


@pytest.mark.parametrize("shape", SHAPES)
def test_the_distribution_of_a_gap_is_the_softmax_of_its_vector(make_runtime, hidden_plainly, shape):
    model, sizes, weights = make_runtime(**shape)
    texts, gaps = [sentence(5, 2, 7, 3), np.array([8, 2, 6])], np.array([3, 0])

    found = model.log_probs(texts, gaps)

    for row, text, gap in zip(found, texts, gaps.tolist(), strict=True):
        hidden = hidden_plainly(sizes, weights, text.tolist(), (gap,))[gap]
        np.testing.assert_allclose(row, model.softmax.log_probs(hidden[None].astype(np.float32))[0], atol=1e-4)


def test_a_text_longer_than_the_context_is_read_in_a_window_around_the_gap(make_runtime):
    model, *_ = make_runtime(context=6)
    words = np.random.default_rng(2).integers(2, 9, 20)
    # Half of the context stands before the gap, unless the text ends sooner.
    windows = [(0, 0, 0), (2, 0, 2), (10, 7, 3), (18, 14, 4), (19, 14, 5)]

    for gap, first, within in windows:
        expected = model.log_probs([words[first : first + 6]], np.array([within]))
        np.testing.assert_array_equal(model.log_probs([words], np.array([gap])), expected)


def test_the_windows_of_a_text_cover_each_position_once():
    # (first position of the window, first and last + 1 of the positions whose vectors are taken from it)
    assert list(_windows(4, 6)) == [(0, 0, 4)]
    assert list(_windows(6, 6)) == [(0, 0, 6)]
    assert list(_windows(7, 6)) == [(0, 0, 3), (1, 3, 7)]
    assert list(_windows(12, 6)) == [(0, 0, 4), (3, 4, 7), (6, 7, 12)]
    for length in range(1, 40):
        for context in range(2, 12):
            taken = [place for _, start, stop in _windows(length, context) for place in range(start, stop)]
            assert taken == list(range(length))
            assert all(
                first <= start <= stop <= first + context for first, start, stop in _windows(length, context)
            )


def test_features_of_a_long_text_are_those_of_its_windows(make_runtime):
    model, *_ = make_runtime(context=6)
    words = np.random.default_rng(2).integers(2, 9, 12)

    (found,) = model.features([words])

    parts = [model.features([words[first : first + 6]])[0] for first in (0, 3, 6)]
    np.testing.assert_array_equal(found, np.concatenate([parts[0][:4], parts[1][1:4], parts[2][1:]]))


@pytest.mark.parametrize("at_once", [1, 20, 1000])
def test_batches_of_any_size_give_the_same_bits(make_runtime, monkeypatch, at_once):
    model, *_ = make_runtime(context=6)
    draw = np.random.default_rng(3)
    texts = [draw.integers(2, 9, length) for length in (3, 1, 9, 30, 3)]
    gaps = np.array([1, 0, 8, 15, 2])
    expected, features = model.log_probs(texts, gaps), model.features(texts)

    monkeypatch.setattr(runtime, "POSITIONS_AT_ONCE", at_once)

    np.testing.assert_array_equal(model.log_probs(texts, gaps), expected)
    for found, whole in zip(model.features(texts), features, strict=True):
        np.testing.assert_array_equal(found, whole)


def test_there_is_a_vector_for_each_word(make_runtime):
    model, _, weights = make_runtime()

    np.testing.assert_array_equal(model.word_vectors(), weights["embedding"])
