"""Printing answers of `lmctl predict`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lmctl.cli.answers import AnswerPrinter
from lmctl.query.prediction import Answer

if TYPE_CHECKING:
    from collections.abc import Sequence


class PredictionPrinter(AnswerPrinter[Answer]):
    """Prints next words and their probabilities; logprob is the natural log."""

    columns = ("word", "logprob")
    figure = "probability"

    def title(self, answer: Answer) -> str:
        """See `AnswerPrinter.title`."""
        return answer.context or "(start of a sentence)"

    def words(self, answer: Answer) -> list[tuple[str, float]]:
        """See `AnswerPrinter.words`."""
        return [(found.word, found.prob) for found in answer.predictions]

    def rows(self, answer: Answer) -> list[Sequence[str]]:
        """See `AnswerPrinter.rows`."""
        return [(found.word, f"{found.logprob:.6f}") for found in answer.predictions]
