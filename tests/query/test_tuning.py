import math

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from lmctl.errors import DataError
from lmctl.families import interpolation
from lmctl.families.base import LanguageModel, Scores
from lmctl.families.cached.parameters import CacheParameters
from lmctl.families.cached.runtime import CachedLanguageModel
from lmctl.families.interpolation import tune_weights
from lmctl.families.mixture.runtime import MixtureLanguageModel
from lmctl.query import batching, tuning
from lmctl.query.tuning import tune_cache


class WithoutFeatures(MixtureLanguageModel):
    """A model without its features."""

    def __init__(self, model):
        super().__init__([model], [1.0])
        self.has_features = False


class Uniform(LanguageModel):
    """A model in which all words are always equally probable."""

    def __init__(self, vocabulary_size):
        self.vocabulary_size = vocabulary_size

    def null_state(self, batch):
        return batch

    def advance(self, state, token_ids, lengths=None):  # noqa: ARG002
        return state

    def select_columns(self, state, columns):  # noqa: ARG002
        return len(columns)

    def join(self, states):
        return sum(states)

    def log_probs(self, state):
        return np.full((state, self.vocabulary_size), -math.log(self.vocabulary_size), dtype=np.float32)

    def score(self, inputs, targets, lengths, state, *, ranks=False, features=False):  # noqa: ARG002
        return Scores(np.full(targets.shape, -math.log(self.vocabulary_size)), None), state


@pytest.fixture(params=["features", "ages"])
def language_model(request, model):
    return model.language_model if request.param == "features" else WithoutFeatures(model.language_model)


def mean_log_prob(log_probs, weights):
    return np.log(np.tensordot(weights, np.exp(log_probs), axes=1)).mean()


def golden_section(function):
    """The place in [0, 1] at which a function has its only maximum."""
    low, high = 0.0, 1.0
    ratio = (math.sqrt(5.0) - 1.0) / 2.0
    while high - low > 1e-9:
        left, right = high - ratio * (high - low), low + ratio * (high - low)
        if function(left) > function(right):
            high = right
        else:
            low = left
    return (low + high) / 2.0


def test_members_that_are_right_by_turns_are_trusted_as_often_as_they_are_right():
    # The text's probability is w^3 (1 - w): most at w = 3/4.
    first = np.array([0.0, 0.0, 0.0, -np.inf])
    second = np.array([-np.inf, -np.inf, -np.inf, 0.0])

    assert tune_weights([first, second]) == pytest.approx([0.75, 0.25], abs=1e-9)


def test_weights_by_hand():
    # Three tokens with 1/2 and 1/4, two with 1/4 and 1/2: 3 ln(1 + w) + 2 ln(2 - w) is most at w = 4/5.
    half, quarter = math.log(1 / 2), math.log(1 / 4)

    weights = tune_weights([np.array([half] * 3 + [quarter] * 2), np.array([quarter] * 3 + [half] * 2)])

    assert weights == pytest.approx([0.8, 0.2], abs=1e-3)


def test_a_member_that_is_always_worse_gets_nothing():
    generator = np.random.default_rng(1)
    log_probs = -generator.exponential(5.0, 1000)

    weights = tune_weights([log_probs, log_probs - generator.exponential(1.0, 1000)])

    assert weights == pytest.approx([1.0, 0.0], abs=1e-6)


def test_weights_that_are_all_rounded_up_sum_to_one():
    # Three members are right by turns, in 1, 1 and 4 of 6 tokens; the last member never is. 1/6 + 1/6 + 2/3,
    # rounded to six digits, are 1.000001.
    log_probs = np.where(np.eye(4, dtype=bool)[[0, 1, 2, 2, 2, 2]], 0.0, -np.inf).T

    weights = tune_weights(list(log_probs))

    assert sum(weights) == pytest.approx(1.0, abs=1e-12)
    assert weights == pytest.approx([0.166667, 0.166667, 0.666666, 0.0], abs=1e-12)


def test_no_weight_is_rounded_to_zero_if_a_token_would_be_impossible(monkeypatch):
    # Of 10,000 tokens, the last one is possible for the second and the third member alone. The second is better
    # for the others, so it has the weight of both, 1/10,000, which is 0 in three digits.
    monkeypatch.setattr(interpolation, "WEIGHT_DIGITS", 3)
    of_members = np.log([[1 / 2] * 10_000, [1 / 1000] * 10_000, [1 / 2000] * 10_000])
    of_members[:, -1] = -math.inf, math.log(1 / 2), math.log(1 / 2)

    assert tune_weights(list(of_members)) == [0.999, 0.001, 0.0]


def test_tokens_that_no_member_finds_possible_are_left_out():
    impossible = np.array([-np.inf])
    first, second = np.log([0.1, 0.7, 0.2]), np.log([0.4, 0.3, 0.1])

    with_one = [np.concatenate([each, impossible]) for each in (first, second)]

    assert tune_weights(with_one) == tune_weights([first, second])


@pytest.mark.parametrize("log_probs", [[], [-np.inf, -np.inf]])
def test_a_text_that_says_nothing_is_refused(log_probs):
    with pytest.raises(DataError, match="there is nothing to tune weights on"):
        tune_weights([np.array(log_probs, dtype=np.float64)] * 2)


@given(seed=st.integers(0, 10_000), tokens=st.integers(1, 200), spread=st.floats(0.1, 5.0))
@example(seed=911, tokens=1, spread=0.125)  # members that differ by 0.0006: the number of rounds ends the search
def test_two_weights_are_where_a_golden_section_finds_the_maximum(seed, tokens, spread):
    log_probs = -np.random.default_rng(seed).exponential(spread, (2, tokens))

    weights = tune_weights(list(log_probs))

    best = golden_section(lambda weight: mean_log_prob(log_probs, [weight, 1.0 - weight]))
    assert sum(weights) == pytest.approx(1.0, abs=1e-12)
    # From equal weights, no n rounds leave more than ln M / n to gain (Cover 1984).
    loss = mean_log_prob(log_probs, [best, 1.0 - best]) - mean_log_prob(log_probs, weights)
    assert -1e-9 < loss < math.log(2) / interpolation.MOST_ROUNDS


def test_no_weights_of_three_members_on_a_grid_are_better():
    log_probs = -np.random.default_rng(2).exponential([[1.0], [1.1], [1.2]], (3, 500))

    found = mean_log_prob(log_probs, tune_weights(list(log_probs)))

    grid = [(i / 40, j / 40, 1.0 - (i + j) / 40) for i in range(41) for j in range(41 - i)]
    best = max(mean_log_prob(log_probs, weights) for weights in grid)
    assert best - 1e-7 < found < best + 1e-3


def test_the_likelihood_never_falls_from_round_to_round(monkeypatch):
    log_probs = -np.random.default_rng(3).exponential(3.0, (4, 300))
    reached = []

    for rounds in range(30):
        monkeypatch.setattr(interpolation, "MOST_ROUNDS", rounds)
        reached.append(mean_log_prob(log_probs, tune_weights(list(log_probs))))

    assert np.diff(reached).min() > -1e-12
    assert reached[-1] > reached[0] + 1e-3


def make_text(seed=4, tokens=400):
    """Token ids that are often repeated: each is one of the last ten, or a new one."""
    generator = np.random.default_rng(seed)
    token_ids = generator.integers(0, 9, tokens)
    for place in np.flatnonzero(generator.random(tokens) < 0.6):
        token_ids[place] = token_ids[max(0, place - generator.integers(1, 4))]
    return token_ids


def perplexity(language_model, token_ids):
    inputs = np.concatenate([[1], token_ids[:-1]])[:, None]
    start = language_model.null_state(1)
    scores, _ = language_model.score(inputs, token_ids[:, None], np.array([len(inputs)]), start)
    return math.exp(-scores.log_probs.mean())


def test_the_perplexities_are_those_that_scoring_the_text_gives(language_model):
    token_ids = make_text()

    tuned = tune_cache(language_model, token_ids, 20)

    with_cache = CachedLanguageModel(language_model, tuned.parameters, 20)
    assert tuned.tokens == 400
    assert tuned.perplexity_without == pytest.approx(perplexity(language_model, token_ids), rel=1e-6)
    assert tuned.perplexity == pytest.approx(perplexity(with_cache, token_ids), rel=1e-6)
    assert tuned.perplexity < 0.98 * tuned.perplexity_without


def test_no_parameters_on_a_grid_are_better(language_model):
    token_ids = make_text()
    tuned = tune_cache(language_model, token_ids, 20)
    best = tuned.parameters

    for theta in (0.03 * best.theta, 0.3 * best.theta, 0.8 * best.theta, 1.25 * best.theta, 3.0 * best.theta):
        for weight in (0.1 * best.weight, 0.7 * best.weight, best.weight, (1.0 + 2.0 * best.weight) / 3.0):
            other = CachedLanguageModel(language_model, CacheParameters(weight=weight, theta=theta), 20)
            assert perplexity(other, token_ids) > tuned.perplexity * (1.0 - 1e-4)


@pytest.mark.parametrize("batch_tokens", [1, 7, 1 << 13])
def test_the_text_is_read_in_blocks_and_no_further_than_it_must_be(language_model, monkeypatch, batch_tokens):
    token_ids = make_text()
    expected = tune_cache(language_model, token_ids[:100], 20)

    monkeypatch.setattr(batching, "BATCH_TOKENS", batch_tokens)
    monkeypatch.setattr(tuning, "CACHE_TOKENS", 100)
    found = tune_cache(language_model, token_ids, 20)

    assert found.tokens == 100
    assert found.perplexity == pytest.approx(expected.perplexity, rel=1e-5)
    assert found.parameters.theta == pytest.approx(expected.parameters.theta, rel=1e-3)
    assert found.parameters.weight == pytest.approx(expected.parameters.weight, abs=1e-3)


def test_a_text_of_one_word_leaves_the_model_a_share(language_model):
    tuned = tune_cache(language_model, np.full(50, 3), 20)

    assert tuned.parameters.weight == 0.99
    assert tuned.perplexity < 1.2


@pytest.mark.parametrize("tokens", [0, 1])
def test_a_text_that_is_too_short_for_a_cache_is_refused(language_model, tokens):
    with pytest.raises(DataError, match=f"a text of {tokens} tokens is too short to tune a cache on"):
        tune_cache(language_model, make_text()[:tokens], 20)


def test_an_excluded_word_affects_neither_the_choice_nor_the_figures():
    # A unigram cache of a uniform model of 4 words: 0 follows itself, and nothing else repeats.
    model = Uniform(4)
    text = np.array([0, 0, 0, 2, 0, 0, 3, 1, 0, 0])

    with_zeros = tune_cache(model, text, 3)
    without = tune_cache(model, text, 3, left_out=0)

    assert (with_zeros.tokens, without.tokens) == (10, 3)
    assert with_zeros.perplexity < 3.9
    # The cache predicts every other word badly, so its best weight is 0.
    assert without.parameters.weight == pytest.approx(0, abs=1e-3)
    assert (without.perplexity, without.perplexity_without) == (pytest.approx(4), pytest.approx(4))


def test_a_text_of_only_excluded_words_cannot_be_tuned_on():
    with pytest.raises(DataError, match="no token of the text counts"):
        tune_cache(Uniform(4), np.zeros(5, dtype=np.int64), 3, left_out=0)
