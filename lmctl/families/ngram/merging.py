"""One n-gram model of several: static interpolation, as SRILM's `ngram -mix-lm` does it.

The model has the n-grams of all members. The probability of each is the weighted mean of the members'
probabilities, backed off where a member does not have it. Back-off weights make every distribution sum to 1
(renormalizing.py). An n-gram that no member has gets another probability than in the mixture of the members itself
(`families/mixture`), because one weight stands for those of all members.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from lmctl import progress
from lmctl.families.joined import join_vocabulary
from lmctl.families.ngram.keys import KeyedNgrams, make_keys
from lmctl.families.ngram.renormalizing import NGRAMS_AT_ONCE, set_weights

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from lmctl.arrays import Float64Array, IntArray
    from lmctl.corpus.vocabulary import Vocabulary
    from lmctl.families.base import LanguageModel
    from lmctl.families.ngram.runtime import NgramLanguageModel


class Member(NamedTuple):
    """A member, over the vocabulary that all members share.

    Attributes:
        ngrams: the n-gram model, over its own vocabulary.
        model: the same over the shared vocabulary (families/joined.py); it is `ngrams` if they are the same.
        shared_ids: the shared id of each word of its own vocabulary.
    """

    ngrams: NgramLanguageModel
    model: LanguageModel[Any]
    shared_ids: IntArray

    @classmethod
    def alone(cls, ngrams: NgramLanguageModel) -> Member:
        """A member whose vocabulary is that of all."""
        return cls(ngrams, ngrams, np.arange(ngrams.vocabulary_size))

    @classmethod
    def of(cls, ngrams: NgramLanguageModel, own: Vocabulary, shared: Vocabulary) -> Member:
        """A member with a vocabulary of its own."""
        ids = dict(zip(shared.words, range(len(shared)), strict=True))
        return cls(ngrams, join_vocabulary(ngrams, own, shared), np.array([ids[word] for word in own.words]))


def interpolate(members: Sequence[Member], weights: Sequence[float]) -> KeyedNgrams:
    """Interpolate n-gram models.

    Args:
        members: the models.
        weights: the weight of each; their sum is 1.
    """
    size = members[0].model.vocabulary_size
    merged = KeyedNgrams(size, {}, {}, {})
    words = np.arange(size)[:, None]
    merged.log_probs[1] = _mixed(members, weights, words)
    for order in range(2, max(member.ngrams.sizes.order for member in members) + 1):
        progress.tell(f"merging {order}-grams")
        keys = [
            make_keys(merged.places(words[:, :-1]), words[:, -1], merged.word_bits)
            for member in members
            if order <= member.ngrams.sizes.order
            for words in _ngrams(member, order)
        ]
        # Sentences may be so short that no member has an n-gram of this order.
        merged.keys[order] = np.unique(np.concatenate([np.empty(0, dtype=np.uint64), *keys]))
        count = len(merged.keys[order])
        log_probs = np.empty(count)
        for first in range(0, count, NGRAMS_AT_ONCE):
            places = np.arange(first, min(first + NGRAMS_AT_ONCE, count))
            log_probs[places] = _mixed(members, weights, merged.words(order, places))
        merged.log_probs[order] = log_probs
        set_weights(merged, order)
    return merged


def keyed(member: NgramLanguageModel) -> KeyedNgrams:
    """The n-grams of one model in memory, with the probabilities that it gives."""
    return interpolate([Member.alone(member)], [1.0])


def _ngrams(member: Member, order: int) -> Iterator[IntArray]:
    """The shared ids of the words of the n-grams of an order, (N, order) each, in stretches."""
    count = member.ngrams.sizes.ngrams[order - 1]
    for first in range(0, count, NGRAMS_AT_ONCE):
        places = np.arange(first, min(first + NGRAMS_AT_ONCE, count))
        yield member.shared_ids[member.ngrams.words(order, places)]


def _mixed(members: Sequence[Member], weights: Sequence[float], words: IntArray) -> Float64Array:
    """Natural logs of the weighted probabilities of the last words of (N, n) ids given the others, (N,)."""
    total = np.zeros(len(words))
    for (_, model, _), weight in zip(members, weights, strict=True):
        if words.shape[1] == 1:
            total += weight * np.exp(model.log_probs(model.null_state(1))[0], dtype=np.float64)[words[:, 0]]
            continue
        state = model.advance(model.null_state(len(words)), words[:, :-2].T)
        lengths = np.ones(len(words), dtype=np.int64)
        scores, _ = model.score(words[None, :, -2], words[None, :, -1], lengths, state)
        total += weight * np.exp(scores.log_probs[0])
    with np.errstate(divide="ignore"):
        log_probs: Float64Array = np.minimum(np.log(total), 0.0)
    return log_probs
