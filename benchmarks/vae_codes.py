"""The fixed codes of a variational autoencoder: of the prior, or of the codes of the training sentences?

    python -m benchmarks.vae_codes models/vae corpus --codes 4,16,64

`corpus` is the prepared corpus on which the model was trained. Placed codes are those of the prior, with the mean
and the deviation of the codes of training sentences; a model's own codes are placed by training. Fitted codes are
the means of a mixture of K normal distributions with diagonal covariances, which expectation maximisation fits to
the codes of training sentences. They have the weights of the mixture, or equal weights. Every variant is a finite
mixture of the same decoder. The perplexities are those of a sample of the validation sentences, each alone (state
reset).
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from lmctl.corpus.prepared import PreparedCorpus
from lmctl.corpus.vocabulary import SENTENCE_END_ID, UNKNOWN_ID
from lmctl.families import load_language_model
from lmctl.families.vae.bounds import log_likelihoods
from lmctl.families.vae.codes import prior_codes
from lmctl.families.vae.runtime import VAELanguageModel
from lmctl.store.bundle import open_bundle
from lmctl.store.naming import find_bundle

if TYPE_CHECKING:
    from lmctl.arrays import Float32Array, Float64Array, IntArray

SEED = 1
EM_ITERATIONS = 100
# A component may not become narrower than this variance.
LEAST_VARIANCE = 1e-3
# Longer sentences are left out of both samples.
LONGEST_SENTENCE = 300


def main() -> None:
    """Print a row for each number of codes and each way to choose them."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("model")
    parser.add_argument("corpus", type=Path)
    parser.add_argument("--codes", default="16", metavar="K,K,...", help="numbers of codes to compare")
    parser.add_argument("--encoded", type=int, default=3000, metavar="N", help="training sentences to fit to")
    parser.add_argument("--scored", type=int, default=10_000, metavar="N", help="validation tokens to score")
    arguments = parser.parse_args()
    model = load_language_model(open_bundle(find_bundle(arguments.model)))
    if not isinstance(model, VAELanguageModel):
        parser.error(f"{arguments.model}: not a variational autoencoder")
    corpus = PreparedCorpus.open(arguments.corpus)
    # A model whose training text has no unknown word gives one no probability that is worth comparing.
    left_out = None if corpus.record.train.oov else UNKNOWN_ID
    encoded = sample(corpus.train, sentences=arguments.encoded)
    means = np.concatenate(
        [model.encoder.posterior(sentence[:, None], np.array([len(sentence)]))[0] for sentence in encoded]
    ).astype(np.float64)
    deviations = ", ".join(f"{deviation:.2f}" for deviation in means.std(axis=0))
    print(f"{len(encoded)} training sentences; deviations of the elements of their codes: {deviations}")
    scored = sample(corpus.valid, tokens=arguments.scored, left_out=left_out)
    tokens = sum(map(len, scored))
    print(f"{len(scored)} validation sentences, {tokens} tokens")
    print("codes\tfrom\tweights\tperplexity\tnats a sentence below the prior's\tstandard error", flush=True)
    for count in map(int, arguments.codes.split(",")):
        weights, fitted = fit_mixture(means, count)
        of_fitted = _likelihoods(model, scored, fitted.astype(np.float32))
        points = prior_codes(count, model.sizes.code_dim)
        of_prior = _likelihoods(model, scored, points)
        placed = means.mean(axis=0) + means.std(axis=0) * points
        of_placed = _likelihoods(model, scored, placed.astype(np.float32))
        equal = np.full(count, 1 / count)
        variants = {
            ("prior", "equal"): (of_prior, equal),
            ("placed", "equal"): (of_placed, equal),
            ("fitted", "fitted"): (of_fitted, weights),
            ("fitted", "equal"): (of_fitted, equal),
        }
        log_probs = {
            name: np.logaddexp.reduce(likelihoods + np.log(of_codes), axis=1)
            for name, (likelihoods, of_codes) in variants.items()
        }
        for name, of_sentences in log_probs.items():
            gain = of_sentences - log_probs["prior", "equal"]
            error = gain.std() / np.sqrt(len(gain))
            print(
                f"{count}\t{name[0]}\t{name[1]}\t{np.exp(-of_sentences.sum() / tokens):.2f}\t"
                f"{gain.mean():.3f}\t{error:.3f}",
                flush=True,
            )


def sample(
    token_ids: IntArray, *, sentences: int | None = None, tokens: int | None = None, left_out: int | None = None
) -> list[IntArray]:
    """Sentences of a text in random order, always the same one, without those that have no words.

    Args:
        token_ids: the text, (N,); every sentence ends with `</s>`.
        sentences: the most sentences; None: all.
        tokens: the most tokens of all sentences together; None: all.
        left_out: sentences with this token are left out; None: no sentence is.
    """
    ends = np.flatnonzero(token_ids == SENTENCE_END_ID) + 1
    found = np.split(token_ids.astype(np.int64), ends)[:-1]
    found = [sentence for sentence in found if 1 < len(sentence) <= LONGEST_SENTENCE and left_out not in sentence]
    order = np.random.default_rng(SEED).permutation(len(found))
    chosen = [found[place] for place in order[:sentences]]
    if tokens is None:
        return chosen
    total = np.cumsum([len(sentence) for sentence in chosen])
    return chosen[: int(np.searchsorted(total, tokens, side="right"))]


def fit_mixture(points: Float64Array, components: int) -> tuple[Float64Array, Float64Array]:
    """Fit a mixture of normal distributions with diagonal covariances by expectation maximisation.

    Args:
        points: (N, Z).
        components: K.

    Returns:
        Weights (K,) and means (K, Z).
    """
    means = points[np.random.default_rng(SEED).choice(len(points), components, replace=False)]
    variances = np.tile(points.var(axis=0), (components, 1))
    weights = np.full(components, 1 / components)
    for _ in range(EM_ITERATIONS):
        squares = ((points[:, None] - means) ** 2 / variances).sum(axis=2)
        logs = np.log(weights) - 0.5 * (squares + np.log(variances).sum(axis=1))
        shares = np.exp(logs - np.logaddexp.reduce(logs, axis=1)[:, None])
        totals = shares.sum(axis=0) + 1e-9
        weights = totals / totals.sum()
        means = shares.T @ points / totals[:, None]
        variances = np.maximum(shares.T @ points**2 / totals[:, None] - means**2, LEAST_VARIANCE)
    return weights, means


def _likelihoods(model: VAELanguageModel, sentences: list[IntArray], codes: Float32Array) -> Float64Array:
    """The natural log probability of each sentence under each code, (N, K)."""
    return np.array([log_likelihoods(model, sentence, codes) for sentence in sentences])


if __name__ == "__main__":
    main()
