"""Scores sentences that have their beginnings in common, such as the hypotheses of a recogniser.

The sentences form a tree: sentences with the same first words share the path of these words. Every edge of the
tree, a token after a beginning, is scored once. All edges of one depth are scored side by side.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from lmctl.corpus.vocabulary import SENTENCE_END_ID, UNKNOWN_ID
from lmctl.layers.distributions import check_log_probs

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lmctl.arrays import Float64Array
    from lmctl.families.base import LanguageModel
    from lmctl.query.text_model import TextModel

# Sentences of one tree. Each needs the memory of a state: up to 1 MB with the networks of the presets.
SENTENCES_AT_ONCE = 128


@dataclass(frozen=True, slots=True)
class HypothesisScore:
    """The score of one sentence.

    Attributes:
        log_prob: natural log probability of the sentence, its end included.
        words: number of its words after segmentation.
        oov: number of those outside the vocabulary.
        characters: code points of the normalized sentence.
    """

    log_prob: float
    words: int
    oov: int
    characters: int


def score_hypotheses(model: TextModel, sentences: Sequence[str]) -> list[HypothesisScore]:
    """Score sentences, each from the start of a sentence to its end, in order.

    Raises:
        UsageError: the model does not predict the next word.
    """
    encoded = [model.encode(sentence) for sentence in sentences]
    log_probs = log_probs_of([text.token_ids for text in encoded], model.language_model)
    return [
        HypothesisScore(float(log_prob), len(text.token_ids), text.token_ids.count(UNKNOWN_ID), text.characters)
        for log_prob, text in zip(log_probs, encoded, strict=True)
    ]


def log_probs_of(sentences: Sequence[Sequence[int]], language_model: LanguageModel[Any]) -> Float64Array:
    """The natural log probability of each sentence, its end included, (N,).

    Args:
        sentences: the token ids of each sentence, without `</s>`.
        language_model: the model.
    """
    language_model = language_model.for_many_columns()
    paths = [[*tokens, SENTENCE_END_ID] for tokens in sentences]
    totals = np.zeros(len(paths))
    # In this order, sentences with a common beginning are neighbours.
    order = sorted(range(len(paths)), key=paths.__getitem__)
    for first in range(0, len(order), SENTENCES_AT_ONCE):
        places = order[first : first + SENTENCES_AT_ONCE]
        totals[places] = _of_tree([paths[place] for place in places], language_model)
    return totals


def _of_tree(paths: Sequence[Sequence[int]], language_model: LanguageModel[Any]) -> Float64Array:
    """The natural log probability of each path from the root of a tree, (N,)."""
    totals = np.zeros(len(paths))
    # The paths that go on, and for each the column of the state before its last token.
    going, columns = list(range(len(paths))), np.zeros(len(paths), dtype=np.int64)
    state = language_model.null_state(1)
    for depth in range(max(map(len, paths))):
        tokens = np.array([paths[place][depth] for place in going])
        (parents, targets), edge_of = np.unique(np.stack([columns, tokens]), axis=1, return_inverse=True)
        inputs = np.empty_like(targets)
        inputs[edge_of] = [paths[place][depth - 1] if depth else SENTENCE_END_ID for place in going]
        scores, state = language_model.score(
            inputs[None],
            targets[None],
            np.ones(len(targets), dtype=np.int64),
            language_model.select_columns(state, parents),
        )
        check_log_probs(scores.log_probs)
        totals[going] += scores.log_probs[0, edge_of]
        there = [len(paths[place]) > depth + 1 for place in going]
        going = list(itertools.compress(going, there))
        kept, columns = np.unique(edge_of[there], return_inverse=True)
        if language_model.context_length is not None:
            # Paths that differ only in tokens that the model no longer depends on go on together.
            first = max(0, depth + 1 - language_model.context_length)
            place_of: dict[tuple[int, ...], int] = {}
            for place, column in zip(going, columns.tolist(), strict=True):
                place_of.setdefault(tuple(paths[place][first : depth + 1]), column)
            merged = np.array(
                [place_of[tuple(paths[place][first : depth + 1])] for place in going], dtype=np.int64
            )
            used, columns = np.unique(merged, return_inverse=True)
            kept = kept[used]
        state = language_model.select_columns(state, kept)
    return totals
