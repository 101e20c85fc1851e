"""Printing answers of `lmctl predict`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from lmctl.cli.answers import UNSEEN, AnswerPrinter
from lmctl.query.prediction import Answer

if TYPE_CHECKING:
    from collections.abc import Sequence


class PredictionPrinter(AnswerPrinter[Answer]):
    """Prints next words and their probabilities; logprob is the natural log."""

    columns: ClassVar[Sequence[str]] = ("word", "logprob")
    figure = "probability"

    def title(self, answer: Answer) -> str:
        """See `AnswerPrinter.title`."""
        return answer.context or "(start of a sentence)"

    def words(self, answer: Answer) -> list[tuple[str, float]]:
        """See `AnswerPrinter.words`."""
        return [(found.word, found.prob) for found in answer.predictions]

    def rows(self, answer: Answer) -> list[Sequence[object]]:
        """See `AnswerPrinter.rows`."""
        return [(found.word, found.logprob) for found in answer.predictions]


class WordPrinter(PredictionPrinter):
    """Prints whole words of a model of pieces; every format says if a limit made an answer inexact."""

    columns = ("word", "logprob", "exact", "unseen")

    def rows(self, answer: Any) -> list[Sequence[object]]:
        """See `AnswerPrinter.rows`; exact is 1 or 0."""
        search = (str(int(answer.exact)), f"{answer.unseen:.6g}")
        return [(*row, *search) for row in super().rows(answer)] or [("", "", *search)]

    def last_word(self, answer: Any) -> list[tuple[str, float]]:
        """See `AnswerPrinter.last_word`."""
        return [] if answer.exact else [(UNSEEN, answer.unseen)]

    def notes(self, answer: Any) -> list[str]:
        """See `AnswerPrinter.notes`."""
        notes = super().notes(answer)
        if not answer.exact:
            notes.append(f"not exact: words of probability {answer.unseen:.4g} are unfinished; --limit reads more")
        return notes
