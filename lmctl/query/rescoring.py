"""Rescores n-best lists: combines the scores of hypotheses with those of a language model."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from lmctl.errors import DataError, UsageError, quoted
from lmctl.query.hypotheses import score_hypotheses

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from lmctl.query.nbest import Hypothesis
    from lmctl.query.text_model import TextModel

# Stands for the log probability of an impossible text, which no weight can be multiplied with.
LEAST_LOG_PROB = -1e6
# Weights and penalties that are tried; the pair with the fewest errors is taken, the smallest of equal ones.
WEIGHTS = tuple(round(0.05 * step, 2) for step in range(41))
PENALTIES = tuple(round(0.5 * step, 1) for step in range(-8, 9))


@dataclass(frozen=True, slots=True)
class Combination:
    """How scores are combined: score + weight x ln P(text) + word_penalty x number of words.

    Attributes:
        weight: weight of the log probability.
        word_penalty: added for each word of the text, between white space. A positive number makes longer texts
            better.
    """

    weight: float
    word_penalty: float = 0.0


@dataclass(frozen=True, slots=True)
class Rescored:
    """A hypothesis with its scores.

    Attributes:
        hypothesis: the hypothesis.
        log_prob: natural log probability of its text.
        score: the combined score; None: not combined.
    """

    hypothesis: Hypothesis
    log_prob: float
    score: float | None

    @property
    def order(self) -> float:
        """The number by which hypotheses are ordered, larger is better."""
        return self.log_prob if self.score is None else self.score


def rescored(
    model: TextModel, groups: Iterable[Sequence[Hypothesis]], combination: Combination | None
) -> Iterator[list[Rescored]]:
    """Score the lists, and combine the scores. Hypotheses stay in their order.

    Args:
        model: the model of the next word.
        groups: the lists.
        combination: how scores are combined; None: they are not.

    Raises:
        UsageError: the model does not predict the next word.
        DataError: scores are to be combined, and a hypothesis has none.
    """
    for group in groups:
        scores = score_hypotheses(model, [hypothesis.text for hypothesis in group])
        yield [
            Rescored(hypothesis, score.log_prob, combined(hypothesis, score.log_prob, combination))
            for hypothesis, score in zip(group, scores, strict=True)
        ]


def combined(hypothesis: Hypothesis, log_prob: float, combination: Combination | None) -> float | None:
    """The combined score of a hypothesis; None without a combination.

    Raises:
        DataError: the hypothesis has no score.
    """
    if combination is None:
        return None
    if hypothesis.score is None:
        raise DataError(
            f"line {hypothesis.line}: no score to combine; give a score in each line (for kaldi, --costs FILE), "
            "or leave out --weight and --references"
        )
    words = len(hypothesis.text.split())
    weighted = combination.weight * max(log_prob, LEAST_LOG_PROB)
    return hypothesis.score + weighted + combination.word_penalty * words


def best_of(group: Sequence[Rescored]) -> Rescored:
    """The best hypothesis of a list; of equal ones the first."""
    return max(group, key=lambda found: found.order)


def tuned(
    groups: Sequence[Sequence[Rescored]], references: Mapping[str, str], *, characters: bool
) -> tuple[Combination, float]:
    """Find the weights whose best hypotheses have the fewest errors, on a grid.

    The error rate is that of jiwer: substitutions, insertions and deletions, divided by the words (or characters)
    of the references.

    Args:
        groups: the lists; every hypothesis has a score.
        references: the right text for each id.
        characters: whether characters are counted, without white space, instead of words.

    Returns:
        The weights, and the error rate; without reference words, the number of errors.

    Raises:
        DataError: an id has no reference.
        UsageError: the package jiwer is not installed.
    """
    try:
        import jiwer
    except ImportError as error:
        raise UsageError("--references needs the package jiwer; install lmctl[wer]") from error
    process = jiwer.process_characters if characters else jiwer.process_words
    weights, penalties = (grid.ravel() for grid in np.meshgrid(WEIGHTS, PENALTIES, indexing="ij"))
    errors, length = np.zeros(len(weights), dtype=np.int64), 0
    for group in groups:
        name = group[0].hypothesis.group
        if name not in references:
            raise DataError(f"id {quoted(name)} has no reference")
        reference = references[name]
        found = [process(_plain(reference, characters), _plain(one.hypothesis.text, characters)) for one in group]
        edits = np.array([one.substitutions + one.insertions + one.deletions for one in found])
        old = np.array([one.hypothesis.score for one in group], dtype=np.float64)
        words = np.array([len(one.hypothesis.text.split()) for one in group])
        log_probs = np.maximum([one.log_prob for one in group], LEAST_LOG_PROB)
        totals = old + np.outer(weights, log_probs) + np.outer(penalties, words)
        errors += edits[totals.argmax(axis=1)]
        length += found[0].substitutions + found[0].deletions + found[0].hits
    fewest = np.flatnonzero(errors == errors.min())
    place = min(fewest, key=lambda which: (abs(penalties[which]), weights[which]))
    return Combination(float(weights[place]), float(penalties[place])), float(errors[place] / max(length, 1))


def rescored_by_references(
    model: TextModel, groups: Iterable[Sequence[Hypothesis]], references: Mapping[str, str], *, characters: bool
) -> tuple[list[list[Rescored]], Combination, float]:
    """Score lists, tune the weights on references (`tuned`), and combine the scores with them.

    Returns:
        The lists, the weights, and the error rate.
    """
    # With weight 0, a hypothesis without a score is found.
    lists = list(rescored(model, groups, Combination(0.0)))
    found, rate = tuned(lists, references, characters=characters)
    again = [
        [replace(one, score=combined(one.hypothesis, one.log_prob, found)) for one in group] for group in lists
    ]
    return again, found, rate


def _plain(text: str, characters: bool) -> str:
    return "".join(text.split()) if characters else " ".join(text.split())
