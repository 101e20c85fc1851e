"""The Baum-Welch algorithm: expected counts of hidden states, and probabilities from these counts.

Rabiner 1989, "A tutorial on hidden Markov models and selected applications in speech recognition", sections III.C
and V.A (scaling). It is the EM algorithm of hidden Markov models: with nothing added to the counts, no iteration
makes the text less probable.

The text is cut into sequences of equal length, which are processed side by side. Axes: T time, B sequences, Z
states, V vocabulary.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from lmctl import progress
from lmctl.corpus.id_stream import count_ids
from lmctl.layers.word_classes import word_classes
from lmctl.perplexity import perplexity_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from lmctl.arrays import Float64Array, IntArray

logger = logging.getLogger(__name__)

# Length of a sequence in tokens.
SEQUENCE_TOKENS = 256
# Most elements of an array (T, B, Z): 64 MiB as float64.
NUMBERS_AT_ONCE = 1 << 23
# Pairs of neighbouring tokens whose classes are counted at once.
PAIRS_AT_ONCE = 1 << 20
# States of a word class at the start. If there are few states, each has a class of its own.
STATES_OF_CLASS, FEWEST_STATES_TO_SHARE = 4, 16
# Weight of a word in a state of another class at the start; the weight in a state of its class is 1 more.
OUTSIDE_CLASS = 0.05


@dataclass(frozen=True, slots=True)
class Chain:
    """The probabilities of a hidden Markov model.

    Attributes:
        start: probability of each state at the start of a sequence, (Z,).
        transitions: probability of the state of a column after the state of a row, (Z, Z).
        emissions: probability of each word in each state, (Z, V).
    """

    start: Float64Array
    transitions: Float64Array
    emissions: Float64Array


@dataclass(slots=True)
class Counts:
    """Expected counts of a text under a chain.

    Attributes:
        start: counts of states at the start of a sequence, (Z,).
        transitions: counts of transitions, (Z, Z).
        emissions: counts of words in each state, (Z, V).
        nats: minus the natural log of the probability of all sequences together.
        tokens: number of tokens.
    """

    start: Float64Array
    transitions: Float64Array
    emissions: Float64Array
    nats: float = 0.0
    tokens: int = 0


def fit(token_ids: IntArray, vocabulary_size: int, *, states: int, iterations: int, added: float) -> Chain:
    """Fit a hidden Markov model to a text.

    Args:
        token_ids: sentences ending with `</s>`, (N,).
        vocabulary_size: V.
        states: Z.
        iterations: number of passes over the text.
        added: number that is added to every expected count.
    """
    chain = first_chain(token_ids, vocabulary_size, states, added)
    for iteration in range(iterations):
        counts = expected_counts(token_ids, chain, activity=f"iteration {iteration + 1} of {iterations}")
        logger.info(
            "iteration %d: perplexity %.2f on the training text",
            iteration + 1,
            perplexity_of(counts.nats / max(counts.tokens, 1)),
        )
        chain = chain_of(counts, added)
    return chain


def first_chain(token_ids: IntArray, vocabulary_size: int, states: int, added: float) -> Chain:
    """The chain of the first iteration: a few states for each class of words with similar neighbours.

    Random factors, the same in every run, make the states of a class differ, because equal states would stay
    equal. So a word may have different states after different words.
    """
    most = min(states if states < FEWEST_STATES_TO_SHARE else states // STATES_OF_CLASS, vocabulary_size)
    classes = word_classes(token_ids, vocabulary_size, most, -(-2 * vocabulary_size // most))
    of_words = count_ids(token_ids, vocabulary_size)
    class_of_state = np.arange(states) % most
    emissions = np.full((states, vocabulary_size), OUTSIDE_CLASS)
    emissions[class_of_state[:, None] == classes] += 1.0
    starts = np.bincount(classes, of_words, minlength=most)
    counted = np.zeros(most * most, dtype=np.int64)
    for first in range(0, len(token_ids), PAIRS_AT_ONCE):
        of_tokens = classes[token_ids[first : first + PAIRS_AT_ONCE + 1]]
        counted += np.bincount(of_tokens[:-1] * most + of_tokens[1:], minlength=most * most)
    pairs = counted.reshape(most, most)
    generator = np.random.default_rng(0)
    return Chain(
        start=_shares((starts[class_of_state] + added) * generator.uniform(0.5, 1.5, states)),
        transitions=_shares(
            (pairs[np.ix_(class_of_state, class_of_state)] + added) * generator.uniform(0.5, 1.5, (states, states))
        ),
        emissions=_shares(emissions * (of_words + added)),
    )


def chain_of(counts: Counts, added: float) -> Chain:
    """The probabilities that follow from expected counts (Rabiner 1989, equation 40), smoothed by `added`."""
    return Chain(
        start=_shares(counts.start + added),
        transitions=_shares(counts.transitions + added),
        emissions=_shares(counts.emissions + added),
    )


def expected_counts(token_ids: IntArray, chain: Chain, *, activity: str = "counting") -> Counts:
    """Pass over a text forward and backward.

    Args:
        token_ids: (N,).
        chain: the probabilities under which counts are expected.
        activity: name of the work for a listener of `lmctl.progress`.
    """
    counts = Counts(np.zeros_like(chain.start), np.zeros_like(chain.transitions), np.zeros_like(chain.emissions))
    # The emissions of a word are side by side in memory.
    by_word, of_words = np.ascontiguousarray(chain.emissions.T), np.zeros(chain.emissions.T.shape)
    for words in _batches(token_ids, len(chain.start)):
        progress.tell(activity, counts.tokens, len(token_ids))
        _count(words, chain, by_word, counts, of_words)
    counts.emissions = np.ascontiguousarray(of_words.T)
    return counts


def _count(words: IntArray, chain: Chain, by_word: Float64Array, counts: Counts, of_words: Float64Array) -> None:
    """Add the expected counts of sequences (T, B) side by side."""
    emitted = by_word[words]
    forward, scales = np.empty_like(emitted), np.empty(words.shape)
    predicted = np.broadcast_to(chain.start, emitted[0].shape)
    for step in range(len(words)):
        np.multiply(predicted, emitted[step], out=forward[step])
        scales[step] = forward[step].sum(axis=1)
        forward[step] /= scales[step][:, None]
        predicted = forward[step] @ chain.transitions
    # The backward variables, with the same scales: (T, B, Z).
    backward = np.empty_like(emitted)
    backward[-1] = 1.0
    for step in range(len(words) - 1, 0, -1):
        emitted[step] *= backward[step]
        emitted[step] /= scales[step][:, None]
        backward[step - 1] = emitted[step] @ chain.transitions.T
    states = len(chain.start)
    counts.transitions += chain.transitions * (
        forward[:-1].reshape(-1, states).T @ emitted[1:].reshape(-1, states)
    )
    forward *= backward
    counts.start += forward[0].sum(axis=0)
    order = np.argsort(words, axis=None, kind="stable")
    seen, firsts = np.unique(words.ravel()[order], return_index=True)
    of_words[seen] += np.add.reduceat(forward.reshape(-1, states)[order], firsts)
    counts.nats -= float(np.log(scales).sum())
    counts.tokens += words.size


def _batches(token_ids: IntArray, states: int) -> Iterator[IntArray]:
    """The text as sequences side by side, (T, B). The last sequence may be shorter; then it comes alone."""
    at_once = max(1, NUMBERS_AT_ONCE // (SEQUENCE_TOKENS * states)) * SEQUENCE_TOKENS
    whole = len(token_ids) // SEQUENCE_TOKENS * SEQUENCE_TOKENS
    for first in range(0, whole, at_once):
        part = np.asarray(token_ids[first : min(first + at_once, whole)], dtype=np.int64)
        yield part.reshape(-1, SEQUENCE_TOKENS).T
    if len(token_ids) > whole:
        yield np.asarray(token_ids[whole:], dtype=np.int64)[:, None]


def _shares(counts: NDArray[np.floating[Any]]) -> Float64Array:
    """Rows that sum to 1."""
    shares: Float64Array = counts / counts.sum(axis=-1, keepdims=True)
    return shares
