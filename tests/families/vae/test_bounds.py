import math
from statistics import NormalDist

import msgspec
import numpy as np
import pytest

from lmctl.families.vae import FAMILY, bounds
from lmctl.families.vae.bounds import (
    active_units,
    divergences,
    evidence_bound,
    figures_of,
    importance_weighted_bound,
    log_likelihoods,
    log_weights_of,
)
from lmctl.families.vae.runtime import VAELanguageModel
from lmctl.families.vae.weights import weight_shapes

SENTENCE = np.array([3, 5, 2, 2, 6, 1])


@pytest.fixture
def model(sizes, make_weights):
    return VAELanguageModel(sizes, make_weights(sizes))


def test_under_one_code_a_sentence_has_the_probability_that_the_mixture_of_that_code_gives(
    make_sizes, make_weights
):
    """The single fixed code is the center of the codes."""
    sizes = make_sizes(codes=1)
    weights = make_weights(sizes)
    model = VAELanguageModel(sizes, weights)
    state = model.initial_state(1)

    (found,) = log_likelihoods(model, SENTENCE, weights["code.center"][None])

    expected = 0.0
    for word in SENTENCE:
        expected += model.log_probs(state)[0, word]
        state = model.advance(state, np.array([[word]]))
    assert found == pytest.approx(expected, abs=1e-5)


def test_log_weights_are_those_written_out(model):
    """Burda et al. 2016, equation 8, with the densities of the standard library."""
    mean = np.array([0.3, -1.2], dtype=np.float32)
    log_variance = np.array([-1.0, 0.4], dtype=np.float32)
    noise = np.array([[0.5, -0.7], [2.0, 0.1], [0.0, 0.0]])

    found = log_weights_of(model, SENTENCE, mean, log_variance, noise)

    for row, log_weight in zip(noise, found, strict=True):
        log_ratio, code = 0.0, []
        for center, of_log, drawn in zip(mean.tolist(), log_variance.tolist(), row.tolist(), strict=True):
            deviation = math.exp(of_log / 2)
            code.append(center + deviation * drawn)
            log_ratio += math.log(NormalDist().pdf(code[-1]))
            log_ratio -= math.log(NormalDist(center, deviation).pdf(code[-1]))
        (likelihood,) = log_likelihoods(model, SENTENCE, np.array([code], dtype=np.float32))
        assert log_weight == pytest.approx(likelihood + log_ratio, abs=1e-5)


def test_bounds_by_hand():
    weights = np.log([1.0, 2.0, 4.0])

    assert evidence_bound(weights) == pytest.approx(math.log(2))
    assert importance_weighted_bound(weights) == pytest.approx(math.log(7 / 3))
    # Sums of probabilities would underflow.
    assert importance_weighted_bound(weights - 1000) == pytest.approx(math.log(7 / 3) - 1000)


def test_the_bounds_stand_in_their_order_below_the_integral(make_sizes, make_weights):
    """A code of one element: log p(x) by the trapezoidal rule on a dense grid."""
    sizes = msgspec.structs.replace(make_sizes(layers=1), code_dim=1)
    generator = np.random.default_rng(3)
    weights = {
        name: generator.normal(scale=0.8, size=shape).astype(np.float32)
        for name, shape in weight_shapes(sizes).items()
    }
    model = VAELanguageModel(sizes, weights)
    grid = np.linspace(-8, 8, 2001)
    density = np.exp(-0.5 * grid**2) / math.sqrt(2 * math.pi)
    likelihoods = np.exp(log_likelihoods(model, SENTENCE, grid[:, None].astype(np.float32)))
    integral = float(np.log((likelihoods * density).sum() * (grid[1] - grid[0])))
    mean, log_variance = model.encoder.posterior(SENTENCE[:, None], np.array([len(SENTENCE)]))

    weights_of = [
        log_weights_of(model, SENTENCE, mean[0], log_variance[0], generator.standard_normal((64, 1)))
        for _ in range(50)
    ]
    # The noise of 3,200 samples is far below the differences.
    evidence = float(np.mean([evidence_bound(weights) for weights in weights_of]))
    importance = float(np.mean([importance_weighted_bound(weights) for weights in weights_of]))
    nearly_all = importance_weighted_bound(np.concatenate(weights_of))

    assert evidence < importance - 0.1
    assert importance < integral
    assert nearly_all == pytest.approx(integral, abs=0.02)


def test_the_divergence_is_the_closed_formula():
    """KL(N(m, s) || N(0, 1)) = (s^2 + m^2 - 1) / 2 - ln s, here against its integral."""
    mean, deviation = 0.7, 0.4
    grid = np.linspace(mean - 10 * deviation, mean + 10 * deviation, 20_001)
    own = np.array([NormalDist(mean, deviation).pdf(z) for z in grid])
    prior = np.array([NormalDist().pdf(z) for z in grid])
    integral = float((own * np.log(own / prior)).sum() * (grid[1] - grid[0]))

    found = divergences(
        np.array([[mean, 0.0]], np.float32), np.array([[2 * math.log(deviation), 0.0]], np.float32)
    )

    assert found == pytest.approx([integral], abs=1e-6)
    assert found == pytest.approx([(deviation**2 + mean**2 - 1) / 2 - math.log(deviation)], abs=1e-6)


def test_a_unit_is_active_if_the_variance_of_its_mean_is_above_a_hundredth():
    mean = np.random.default_rng(1).normal(size=(500, 4)).astype(np.float32) * [1.0, 0.12, 0.08, 0.0]

    assert np.count_nonzero(mean.var(axis=0) > 0.01) == 2
    assert active_units(mean) == 0.5


def test_figures_are_those_of_the_sentences_of_the_text(model):
    """Two sentences without words are left out, and the end of a text without `</s>`."""
    text = np.array([3, 5, 1, 1, 2, 6, 6, 4, 1, 1, 5], dtype=np.uint16)
    sentences = [np.array([3, 5, 1]), np.array([2, 6, 6, 4, 1])]

    found = figures_of(model, text)

    posteriors = [model.encoder.posterior(each[:, None], np.array([len(each)])) for each in sentences]
    mean, log_variance = (np.concatenate(parts) for parts in zip(*posteriors, strict=True))
    nats = 0.0
    for sentence in sentences:
        state = model.initial_state(1)
        for word in sentence:
            nats -= model.log_probs(state)[0, word]
            state = model.advance(state, np.array([[word]]))
    assert found["kl_nats_per_sentence"] == pytest.approx(divergences(mean, log_variance).mean())
    assert found["active_units_share"] == active_units(mean)
    assert found["fixed_codes_nats_per_token"] == pytest.approx(nats / 8, abs=1e-5)
    assert found["fixed_codes_perplexity"] == pytest.approx(math.exp(nats / 8), rel=1e-4)
    assert (found["bounded_sentences"], found["bounded_tokens"], found["encoded_sentences"]) == (2, 8, 2)
    assert found["importance_weighted_bound_samples"] == 64
    assert found["importance_weighted_bound_perplexity"] < found["evidence_bound_perplexity"]
    assert found["evidence_bound_perplexity"] == pytest.approx(math.exp(found["evidence_bound_nats_per_token"]))
    assert figures_of(model, text) == found


def test_the_sample_is_small_and_whole_sentences(model, monkeypatch):
    text = np.tile([3, 5, 1, 2, 6, 6, 4, 1], 40)
    monkeypatch.setattr(bounds, "MOST_DECODED_TOKENS", 20)
    monkeypatch.setattr(bounds, "MOST_ENCODED_TOKENS", 100)

    found = figures_of(model, text)

    assert 16 <= found["bounded_tokens"] <= 20
    assert 100 // 5 <= found["encoded_sentences"] <= 100 // 3
    monkeypatch.setattr(bounds, "MOST_ENCODED_SENTENCES", 7)
    assert figures_of(model, text)["encoded_sentences"] == 7
    # A sentence that is too long for the sample is not cut.
    monkeypatch.setattr(bounds, "MOST_DECODED_TOKENS", 4)
    assert figures_of(model, text)["bounded_tokens"] == 3


@pytest.mark.parametrize("text", [[], [1, 1, 1], [3, 5]])
def test_a_text_without_sentences_has_no_figures(model, text):
    assert figures_of(model, np.array(text, dtype=np.int64)) == {}


def test_the_time_is_stated_in_tokens_to_score(sizes):
    """Three fixed codes: 64 samples and 3 codes of 2,000 tokens are as much as 44,666 tokens of the mixture."""
    assert FAMILY.own_figures_tokens(sizes, 10**6) == 2000 * 67 // 3
    assert FAMILY.own_figures_tokens(sizes, 30) == 30 * 67 // 3
