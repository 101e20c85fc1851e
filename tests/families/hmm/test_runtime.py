from itertools import product

import numpy as np
import pytest
from random_networks import drawn

from lmctl.families.hmm.runtime import HMMLanguageModel
from lmctl.families.hmm.sizes import HMMSizes, weight_shapes


def over_all_paths(chain, words):
    """Probability of words from the start, for each last state, (2,)."""
    probs = np.zeros(2)
    for path in product(range(2), repeat=len(words)):
        prob = chain.start[path[0]] * chain.emissions[path[0], words[0]]
        for before, state, word in zip(path, path[1:], words[1:], strict=False):
            prob *= chain.transitions[before, state] * chain.emissions[state, word]
        probs[path[-1]] += prob
    return probs


def random_model(vocabulary_size=9, blocks=3, states_per_block=2, word_blocks=None):
    sizes = HMMSizes(
        vocabulary_size=vocabulary_size, blocks=blocks, states_per_block=states_per_block, embedding_dim=4
    )
    weights = drawn(weight_shapes(sizes), seed=5)
    blocks_of_words = np.arange(vocabulary_size) % blocks if word_blocks is None else np.array(word_blocks)
    weights["words.block"] = blocks_of_words.astype(np.float32)
    return HMMLanguageModel(sizes, weights)


@pytest.mark.parametrize("words", [[0, 1], [2, 2, 0], [1, 0, 2, 2, 1]])
def test_the_forward_algorithm_is_the_sum_over_all_paths(chain, sizes, weights, words):
    model = HMMLanguageModel(sizes, weights)
    inputs, targets = np.array(words[:-1])[:, None], np.array(words[1:])[:, None]

    scores, _ = model.score(inputs, targets, np.array([len(inputs)]), model.null_state(1))

    expected = [
        np.log(over_all_paths(chain, words[: length + 1]).sum() / over_all_paths(chain, words[:length]).sum())
        for length in range(1, len(words))
    ]
    np.testing.assert_allclose(scores.log_probs[:, 0], expected, atol=1e-6)


@pytest.mark.parametrize("words", [[0], [2, 2, 0], [1, 0, 2, 2, 1]])
def test_the_state_is_the_distribution_of_hidden_states_given_the_words(chain, sizes, weights, words):
    model = HMMLanguageModel(sizes, weights)

    state = model.advance(model.null_state(1), np.array(words)[:, None])

    by_state = over_all_paths(chain, words)
    np.testing.assert_allclose(np.exp(state.log_probs[0]), by_state / by_state.sum(), atol=1e-6)
    following = by_state / by_state.sum() @ chain.transitions @ chain.emissions
    np.testing.assert_allclose(np.exp(model.log_probs(state)[0]), following, atol=1e-6)


def test_before_any_word_the_first_state_is_distributed_as_the_start(chain, sizes, weights):
    model = HMMLanguageModel(sizes, weights)

    np.testing.assert_allclose(
        np.exp(model.log_probs(model.null_state(1))[0]), chain.start @ chain.emissions, atol=1e-6
    )


def test_with_one_state_a_block_the_word_before_is_all_that_counts():
    model = random_model(vocabulary_size=4, blocks=4, states_per_block=1)

    long = model.advance(model.null_state(1), np.array([[2], [0], [3], [1]]))
    short = model.advance(model.null_state(1), np.array([[1]]))

    np.testing.assert_array_equal(model.log_probs(long), model.log_probs(short))


def test_a_block_without_words_is_never_entered():
    model = random_model(word_blocks=[0, 2, 0, 2, 0, 2, 0, 2, 2])
    state = model.advance(model.null_state(3), np.array([[0, 1, 2], [3, 4, 5]]))

    assert np.exp(model.log_probs(state).astype(float)).sum(axis=1) == pytest.approx(1.0, abs=1e-6)


# In no column, or in the first alone.
@pytest.mark.parametrize("first_targets", [[5, 6], [3, 6]])
def test_inputs_that_are_not_the_targets_before_them_are_read(first_targets):
    model = random_model()
    inputs, targets, lengths = np.array([[1, 2], [3, 4]]), np.array([first_targets, [7, 8]]), np.array([2, 2])

    scores, _ = model.score(inputs, targets, lengths, model.null_state(2))

    state = model.advance(model.null_state(2), inputs)
    expected = model.log_probs(state)[np.arange(2), targets[1]]
    np.testing.assert_allclose(scores.log_probs[1], expected, atol=1e-6)


def test_weights_far_from_all_others_leave_numbers():
    model = random_model()
    for name in ("source", "emission", "words"):
        model._weights[name] *= 1000  # the model computes its tables only when it is queried

    state = model.advance(model.null_state(2), np.array([[0, 1], [4, 5], [7, 2]]))
    scores, _ = model.score(np.array([[3, 3]]), np.array([[5, 8]]), np.array([1, 1]), state)

    assert not np.isnan(scores.log_probs).any()
    assert np.exp(model.log_probs(state).astype(float)).sum(axis=1) == pytest.approx(1.0, abs=1e-5)


@pytest.mark.parametrize("block", [0.5, 3.0, -1.0, np.nan, np.inf])
def test_a_block_that_is_none_is_refused(block):
    sizes = HMMSizes(vocabulary_size=2, blocks=3, states_per_block=1, embedding_dim=1)
    weights = {name: np.zeros(shape, dtype=np.float32) for name, shape in weight_shapes(sizes).items()}
    weights["words.block"][1] = block

    with pytest.raises(ValueError, match=r"^weight words\.block has values that are no whole numbers below 3$"):
        HMMLanguageModel(sizes, weights)
