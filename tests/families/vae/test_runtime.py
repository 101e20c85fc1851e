import numpy as np
import pytest

from lmctl.corpus.vocabulary import SENTENCE_END_ID
from lmctl.families.vae.codes import prior_codes
from lmctl.families.vae.runtime import VAELanguageModel


def sigmoid(values):
    return 1 / (1 + np.exp(-values))


class Mixture:
    """The finite mixture in float64, one code at a time, with Bayes' rule over whole sentences."""

    def __init__(self, sizes, weights):
        self.sizes = sizes
        self.weights = {name: weight.astype(np.float64) for name, weight in weights.items()}
        points = prior_codes(sizes.codes, sizes.code_dim)
        self.codes = self.weights["code.center"] + np.exp(self.weights["code.log_deviation"]) * points

    def distributions(self, token_ids):
        """The distribution of the next word after each of the words, from the null state."""
        layers, units = self.sizes.layers, self.sizes.hidden_units
        # For each code: states of the layers, and the probability of the words of the sentence so far.
        states = [[(np.zeros(units), np.zeros(units))] * layers for _ in self.codes]
        joint = np.ones(len(self.codes))
        found = []
        for word in token_ids:
            joint = joint * [self.softmax(state)[word] for state in states]
            if word == SENTENCE_END_ID:
                posterior = joint / joint.sum()
                mean = [
                    tuple(
                        sum(weight * state[layer][part] for weight, state in zip(posterior, states, strict=True))
                        for part in (0, 1)
                    )
                    for layer in range(layers)
                ]
                states, joint = [mean] * len(self.codes), np.ones(len(self.codes))
            states = [self.step(state, word, code) for state, code in zip(states, self.codes, strict=True)]
            # P(next | words) = sum P(words, next | code) / sum P(words | code).
            of_codes = np.array([self.softmax(state) for state in states])
            found.append((joint[:, None] * of_codes).sum(axis=0) / joint.sum())
        return np.array(found)

    def step(self, state, word, code):
        values, after = np.concatenate([self.weights["embedding"][word], code]), []
        for layer, (hidden, cell) in enumerate(state):
            kernel, recurrent, bias = (
                self.weights[f"decoder.{layer}.{name}"] for name in ("kernel", "recurrent_kernel", "bias")
            )
            enters, forgets, candidate, leaves = np.split(values @ kernel + hidden @ recurrent + bias, 4)
            cell = sigmoid(forgets) * cell + sigmoid(enters) * np.tanh(candidate)
            values = sigmoid(leaves) * np.tanh(cell)
            after.append((values, cell))
        return after

    def softmax(self, state):
        logits = state[-1][0] @ self.weights["softmax.embedding"].T + self.weights["softmax.bias"]
        return np.exp(logits) / np.exp(logits).sum()


# The middle of a text, two whole sentences, an empty one, and the beginning of one.
TEXT = np.array([3, 5, 1, 2, 6, 6, 1, 0, 4, 2, 1, 1, 5, 3])


def test_answers_are_those_of_the_mixture_written_out(sizes, make_weights):
    weights = make_weights(sizes)
    model = VAELanguageModel(sizes, weights)

    found, _ = model.advance_with_log_probs(model.null_state(1), TEXT[:, None])

    expected = Mixture(sizes, weights).distributions(TEXT)
    np.testing.assert_allclose(np.exp(found[:, 0]), expected, atol=1e-6)


def test_a_score_is_the_log_probability_of_the_mixture_written_out(sizes, make_weights):
    weights = make_weights(sizes)
    model = VAELanguageModel(sizes, weights)

    scores, _ = model.score(TEXT[:-1, None], TEXT[1:, None], np.array([len(TEXT) - 1]), model.null_state(1))

    expected = Mixture(sizes, weights).distributions(TEXT[:-1])[np.arange(len(TEXT) - 1), TEXT[1:]]
    np.testing.assert_allclose(scores.log_probs[:, 0], np.log(expected), atol=1e-5)


def test_a_score_does_not_need_targets_that_are_the_next_inputs(sizes, make_weights):
    model = VAELanguageModel(sizes, make_weights(sizes))
    targets = np.roll(TEXT, 5)

    scores, after = model.score(TEXT[:, None], targets[:, None], np.array([len(TEXT)]), model.null_state(1))

    along, expected = model.advance_with_log_probs(model.null_state(1), TEXT[:, None])
    np.testing.assert_allclose(scores.log_probs[:, 0], along[np.arange(len(TEXT)), 0, targets], atol=1e-5)
    np.testing.assert_array_equal(after.log_weights, expected.log_weights)


def test_the_words_of_a_sentence_weigh_the_codes_and_its_end_makes_them_equal(sizes, make_weights):
    model = VAELanguageModel(sizes, make_weights(sizes))
    equal = np.full((1, 3), np.log(1 / 3))

    inside = model.advance(model.null_state(1), np.array([[2], [4]]))
    ended = model.advance(inside, np.array([[SENTENCE_END_ID]]))

    np.testing.assert_allclose(np.exp(inside.log_weights).sum(), 1)
    assert np.abs(inside.log_weights - equal).max() > 0.05
    np.testing.assert_allclose(ended.log_weights, equal)


def test_the_first_word_of_a_text_says_nothing_of_its_code(sizes, make_weights):
    """Under the null state, the distribution of the next word is the same with every code."""
    model = VAELanguageModel(sizes, make_weights(sizes))

    state = model.advance(model.null_state(1), np.array([[4]]))

    np.testing.assert_allclose(state.log_weights, np.log(1 / 3))


@pytest.mark.parametrize("adaptive", [False, True])
@pytest.mark.parametrize("codes", [1, 3, 16])
def test_a_column_has_the_same_bits_in_any_company(make_sizes, make_weights, codes, adaptive):
    sizes = make_sizes(codes=codes, adaptive=adaptive)
    model = VAELanguageModel(sizes, make_weights(sizes))
    token_ids = np.random.default_rng(5).integers(0, 7, (9, 6))

    together = model.advance(model.initial_state(6), token_ids)

    for column in range(6):
        alone = model.advance(model.initial_state(1), token_ids[:, [column]])
        np.testing.assert_array_equal(alone.hidden[:, 0], together.hidden[:, column])
        np.testing.assert_array_equal(alone.log_weights[0], together.log_weights[column])
        np.testing.assert_array_equal(model.log_probs(alone)[0], model.log_probs(together)[column])
        np.testing.assert_array_equal(model.features(alone)[0], model.features(together)[column])
