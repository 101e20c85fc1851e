"""Bounds of the log probability of sentences under the continuous model, and how much the code is used.

The continuous model is p(x) = integral of p(z) p(x | z) over all codes z, with the standard normal prior p(z). The
encoder gives a normal distribution q(z | x). With S codes drawn from it, and the weights
w_s = p(x | z_s) p(z_s) / q(z_s | x):

    evidence lower bound         mean of log w_s           (Kingma & Welling 2014, arXiv:1312.6114)
    importance-weighted bound    log of the mean of w_s    (Burda, Grosse & Salakhutdinov 2016, arXiv:1509.00519)

Both are computed from the same codes, so the second is never below the first (Jensen's inequality). Their
expectations are at most log p(x).

Every sentence stands alone here: it starts after `</s>`, from the null state, as with `--state reset`.

Axes: T tokens of a sentence, S samples, B sentences, Z elements of a code.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from lmctl import progress
from lmctl.corpus.vocabulary import SENTENCE_END_ID
from lmctl.perplexity import perplexity_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from lmctl.arrays import Float32Array, Float64Array, IntArray
    from lmctl.families.vae.runtime import VAELanguageModel

# Number of codes that are drawn for a sentence.
SAMPLES = 64
# The bounds are computed on whole sentences that have at most this many tokens together.
MOST_DECODED_TOKENS = 2000
# Divergence and active units need the encoder alone, so their sample is larger.
MOST_ENCODED_SENTENCES, MOST_ENCODED_TOKENS = 500, 20_000
# An element of the code is active if the variance of its posterior mean over sentences is above this value (Burda
# et al. 2016, section 5).
ACTIVE_VARIANCE = 0.01
SEED = 1


def figures_of(model: VAELanguageModel, token_ids: IntArray) -> dict[str, float]:
    """Compute the figures of a model on a sample of the sentences of a text.

    Sentences are drawn in random order, always the same one. Sentences without words are left out, and sentences
    of more than `MOST_DECODED_TOKENS` tokens.

    Args:
        model: the model.
        token_ids: the text, (N,); every sentence ends with `</s>`.

    Returns:
        Figures by name; none if the text has no such sentence. The figures of the mixture are of the same
        sentences as the bounds.
    """
    usable = _usable_sentences(token_ids)
    order = np.random.default_rng(SEED).permutation(len(usable))[:MOST_ENCODED_SENTENCES]
    encoded = _first([usable[place] for place in order], MOST_ENCODED_TOKENS)
    if not encoded:
        return {}
    mean, log_variance = _posteriors(model, encoded)
    decoded = _first(encoded, MOST_DECODED_TOKENS)
    noise = np.random.default_rng(SEED).standard_normal((len(decoded), SAMPLES, mean.shape[1]))
    log_weights: list[Float64Array] = []
    for sentence, *of_sentence in zip(decoded, mean, log_variance, noise, strict=False):
        progress.tell("computing bounds", len(log_weights), len(decoded))
        log_weights.append(log_weights_of(model, sentence, *of_sentence))
    tokens = sum(map(len, decoded))
    evidence = -sum(map(evidence_bound, log_weights)) / tokens
    importance = -sum(map(importance_weighted_bound, log_weights)) / tokens
    mixture = -sum(_mixture_log_probs(model, decoded)) / tokens
    return {
        "evidence_bound_nats_per_token": evidence,
        "evidence_bound_perplexity": perplexity_of(evidence),
        "importance_weighted_bound_nats_per_token": importance,
        "importance_weighted_bound_perplexity": perplexity_of(importance),
        "importance_weighted_bound_samples": SAMPLES,
        "fixed_codes_nats_per_token": mixture,
        "fixed_codes_perplexity": perplexity_of(mixture),
        "bounded_sentences": len(decoded),
        "bounded_tokens": tokens,
        "kl_nats_per_sentence": float(divergences(mean, log_variance).mean()),
        "active_units_share": active_units(mean),
        "encoded_sentences": len(encoded),
    }


def divergences(mean: Float32Array, log_variance: Float32Array) -> Float64Array:
    """The Kullback-Leibler divergence of each code's distribution from the prior, in nats, (B,).

    Kingma & Welling 2014, appendix B.

    Args:
        mean: (B, Z).
        log_variance: natural log of the variance, (B, Z).
    """
    mean, log_variance = mean.astype(np.float64), log_variance.astype(np.float64)
    total: Float64Array = 0.5 * (np.exp(log_variance) + mean**2 - 1.0 - log_variance).sum(axis=1)
    return total


def active_units(mean: Float32Array) -> float:
    """The share of the elements of the code whose mean varies from sentence to sentence; `mean` is (B, Z)."""
    return float((mean.astype(np.float64).var(axis=0) > ACTIVE_VARIANCE).mean())


def evidence_bound(log_weights: Float64Array) -> float:
    """The evidence lower bound of a sentence in nats, from the natural logs of the weights of its codes, (S,)."""
    return float(log_weights.mean())


def importance_weighted_bound(log_weights: Float64Array) -> float:
    """The importance-weighted bound of a sentence in nats, from the natural logs of the weights, (S,)."""
    return float(np.logaddexp.reduce(log_weights)) - math.log(len(log_weights))


def log_weights_of(
    model: VAELanguageModel,
    sentence: IntArray,
    mean: Float32Array,
    log_variance: Float32Array,
    noise: Float64Array,
) -> Float64Array:
    """Compute the natural logs of the importance weights of some codes of a sentence, (S,).

    Args:
        model: the model.
        sentence: token ids with the `</s>` at the end, (T,).
        mean: of the posterior distribution of the code, (Z,).
        log_variance: natural log of its variance, (Z,).
        noise: drawn from the standard normal distribution, (S, Z). The codes are mean + deviation x noise.
    """
    # The code that the decoder reads is the one whose densities are compared.
    codes = (mean + np.exp(0.5 * log_variance.astype(np.float64)) * noise).astype(np.float32)
    # The constants of both densities cancel. A deviation that underflows would divide by zero, the noise does not.
    log_prior = -0.5 * (codes.astype(np.float64) ** 2).sum(axis=1)
    log_posterior = -0.5 * (noise**2 + log_variance).sum(axis=1)
    weights: Float64Array = log_likelihoods(model, sentence, codes) + log_prior - log_posterior
    return weights


def log_likelihoods(model: VAELanguageModel, sentence: IntArray, codes: Float32Array) -> Float64Array:
    """Compute the natural log probability of a sentence under each of some codes, (S,).

    Args:
        model: the model.
        sentence: token ids with the `</s>` at the end, (T,).
        codes: (S, Z).
    """
    decoder, sizes = model.decoder, model.sizes
    of_codes = decoder.of_codes(codes)
    of_words = decoder.of_words(np.concatenate([[SENTENCE_END_ID], sentence[:-1]])[:, None])
    hidden = np.zeros((sizes.layers, len(codes), sizes.hidden_units), dtype=np.float32)
    cell = hidden
    total = np.zeros(len(codes))
    for of_word, target in zip(of_words, sentence.tolist(), strict=True):
        hidden, cell = decoder.step(of_word + of_codes, hidden, cell)
        log_probs, _ = model.softmax.score(hidden[-1], np.full(len(codes), target), ranks=False)
        total += log_probs
    return total


def _usable_sentences(token_ids: IntArray) -> list[IntArray]:
    """The sentences that may be drawn, each with the `</s>` at its end."""
    ends = np.flatnonzero(token_ids == SENTENCE_END_ID) + 1
    sentences = np.split(token_ids.astype(np.int64), ends)[:-1]
    return [sentence for sentence in sentences if 1 < len(sentence) <= MOST_DECODED_TOKENS]


def _first(sentences: Sequence[IntArray], most_tokens: int) -> list[IntArray]:
    """The first sentences, as many as have at most `most_tokens` tokens together."""
    total = np.cumsum([len(sentence) for sentence in sentences])
    return list(sentences[: int(np.searchsorted(total, most_tokens, side="right"))])


def _posteriors(model: VAELanguageModel, sentences: Sequence[IntArray]) -> tuple[Float32Array, Float32Array]:
    """Mean and log variance of the code of each sentence, (B, Z) each."""
    found: list[tuple[Float32Array, Float32Array]] = []
    for sentence in sentences:
        progress.tell("computing codes", len(found), len(sentences))
        found.append(model.encoder.posterior(sentence[:, None], np.array([len(sentence)])))
    means, log_variances = zip(*found, strict=True)
    return np.concatenate(means), np.concatenate(log_variances)


def _mixture_log_probs(model: VAELanguageModel, sentences: Sequence[IntArray]) -> Iterator[float]:
    """The natural log probability of each sentence under the finite mixture."""
    for number, sentence in enumerate(sentences):
        progress.tell("scoring the sentences of the bounds", number, len(sentences))
        inputs = np.concatenate([[SENTENCE_END_ID], sentence[:-1]])[:, None]
        scores, _ = model.score(inputs, sentence[:, None], np.array([len(sentence)]), model.null_state(1))
        yield float(scores.log_probs.sum())
