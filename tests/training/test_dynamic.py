"""A network that follows the text it scores."""

import numpy as np
import pytest

from lmctl import families
from lmctl.corpus.vocabulary import SENTENCE_END_ID, UNKNOWN_ID
from lmctl.store.bundle import open_bundle

pytestmark = pytest.mark.usefixtures("eagerly")


@pytest.fixture
def bundle(make_bundle, tmp_path):
    return open_bundle(make_bundle(tmp_path / "bundle"))


@pytest.fixture
def tokens(bundle):
    """16 tokens, which are one segment."""
    return np.random.default_rng(1).integers(1, len(bundle.vocabulary()), 16)


@pytest.fixture
def follow(bundle):
    """`follow(other_text, rate)`: a network that follows."""
    from lmctl.training.devices import use_device
    from lmctl.training.dynamic import DynamicNetwork

    device = use_device(bundle.config().device)
    return lambda other_text, rate: DynamicNetwork(families.load_model(bundle), bundle, other_text, rate, device)


def score(model, token_ids):
    """The log probability of each token of a text from its start, (tokens,)."""
    return continued(model, token_ids, SENTENCE_END_ID, model.null_state(1))[0]


def continued(model, token_ids, before, state):
    inputs = np.append(before, token_ids[:-1])[:, None]
    scores, state = model.score(inputs, token_ids[:, None], np.array([len(token_ids)]), state)
    return scores.log_probs[:, 0], state


def test_a_step_of_no_size_leaves_the_model_as_it_is(bundle, follow, tokens):
    text = np.tile(tokens, 3)[:39]

    assert score(follow(tokens, 0.0), text) == pytest.approx(score(families.load_model(bundle), text), abs=1e-5)


def test_the_tokens_of_a_segment_are_scored_before_the_weights_know_them(bundle, follow, tokens):
    assert score(follow(tokens, 0.5), tokens) == pytest.approx(
        score(families.load_model(bundle), tokens), abs=1e-5
    )


def test_each_weight_takes_a_step_against_its_gradient(bundle, follow, tokens, monkeypatch):
    monkeypatch.setattr("lmctl.training.dynamic.DAMPING", 1e-9)
    # On the same single segment, each gradient is divided by its own size. So each step is `rate` long.
    following = follow(tokens, 0.01)

    score(following, tokens)

    # The gradient of a bias of the softmax is the sum of P(word) - [the word is the target] over the positions.
    model = families.load_model(bundle)
    inputs = np.append(SENTENCE_END_ID, tokens[:-1])[:, None]
    log_probs, _ = model.advance_with_log_probs(model.null_state(1), inputs)
    gradient = np.exp(log_probs[:, 0]).sum(axis=0) - np.bincount(tokens, minlength=model.vocabulary_size)
    moved = following._variables["softmax.bias"].numpy() - bundle.weights()["softmax.bias"]
    np.testing.assert_allclose(moved, -0.01 * np.sign(gradient), atol=1e-4)
    for name, variable in following._variables.items():
        change = np.abs(variable.numpy() - bundle.weights()[name])
        assert change.max() == pytest.approx(0.01, rel=1e-2), name


def test_the_usual_size_of_a_gradient_is_its_root_mean_square_over_segments(bundle, follow, monkeypatch):
    monkeypatch.setattr("lmctl.training.dynamic.DAMPING", 1e-9)
    text = np.random.default_rng(2).integers(1, len(bundle.vocabulary()), 32)

    following = follow(text, 0.01)

    # The gradient of a bias of the softmax, for each of two segments of 16 tokens; see above.
    model = families.load_model(bundle)
    inputs = np.append(SENTENCE_END_ID, text[:-1])[:, None]
    log_probs, _ = model.advance_with_log_probs(model.null_state(1), inputs)
    errors = np.exp(log_probs[:, 0]) - np.eye(model.vocabulary_size)[text]
    first, second = errors[:16].sum(axis=0) / 16, errors[16:].sum(axis=0) / 16
    factors = dict(zip(following._variables, following._factors, strict=True))
    np.testing.assert_allclose(
        factors["softmax.bias"].numpy(), 0.01 / np.sqrt((first**2 + second**2) / 2), rtol=1e-3
    )


def test_a_rare_gradient_is_damped_by_the_mean_of_all(follow, tokens):
    sizes = [factor.numpy() / 0.01 for factor in follow(tokens, 0.01)._factors]

    # 1 / (root mean square + a quarter of its mean over all weights): without a gradient, a step is the largest.
    root_mean_squares = [1 / size - 1 / max(map(np.max, sizes)) for size in sizes]
    weights = np.concatenate([values.ravel() for values in root_mean_squares])
    assert min(map(np.min, sizes)) > 0
    assert max(map(np.max, sizes)) == pytest.approx(4 / weights.mean(), rel=1e-2)


def test_what_comes_again_becomes_more_probable(bundle, follow, tokens):
    text = np.tile(tokens, 10)

    following, unchanged = score(follow(tokens, 0.02), text), score(families.load_model(bundle), text)

    assert following[-16:].mean() > unchanged[-16:].mean() + 0.5


def test_every_text_starts_from_the_weights_of_the_bundle(follow, tokens):
    following = follow(tokens, 0.01)

    first = score(following, np.tile(tokens, 4))

    assert score(following, np.tile(tokens, 4)).tolist() == first.tolist()


def test_a_text_may_come_in_pieces(follow, tokens):
    following, text = follow(tokens, 0.01), np.tile(tokens, 4)
    whole = score(following, text)

    first, state = continued(following, text[:32], SENTENCE_END_ID, following.null_state(1))
    second, _ = continued(following, text[32:], text[31], state)

    assert [*first, *second] == pytest.approx(whole.tolist(), abs=1e-6)


def test_an_unknown_word_that_training_never_saw_is_not_learned(bundle, follow, tokens):
    following = follow(tokens, 0.01)
    following._learns_oov = False

    score(following, np.full(16, UNKNOWN_ID))

    for name, variable in following._variables.items():
        np.testing.assert_array_equal(variable.numpy(), bundle.weights()[name])


@pytest.mark.parametrize(
    ("tokens", "lengths"), [(0, []), (1, [1]), (16, [16]), (35, [16, 16, 2, 1]), (31, [16, 8, 4, 2, 1])]
)
def test_the_segments_of_a_text(tokens, lengths):
    from lmctl.training.dynamic import _segments

    found = list(_segments(tokens))

    assert [there.stop - there.start for there in found] == lengths
    assert [there.start for there in found] == np.cumsum([0, *lengths])[:-1].tolist()
