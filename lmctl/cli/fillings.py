"""Printing answers of `lmctl fill`; every format says if a limit made an answer inexact."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lmctl.cli.answers import UNSEEN, AnswerPrinter
from lmctl.query.filling import GapAnswer

if TYPE_CHECKING:
    from collections.abc import Sequence


class FillingPrinter(AnswerPrinter[GapAnswer]):
    """Prints words for a gap and their probabilities; logprob and lower_logprob are natural logs."""

    columns = ("word", "logprob", "lower_logprob", "exact", "unseen")
    figure = "probability"

    def title(self, answer: GapAnswer) -> str:
        """See `AnswerPrinter.title`."""
        return answer.text

    def words(self, answer: GapAnswer) -> list[tuple[str, float]]:
        """See `AnswerPrinter.words`."""
        return [(found.word, found.prob) for found in answer.predictions]

    def rows(self, answer: GapAnswer) -> list[Sequence[object]]:
        """See `AnswerPrinter.rows`; exact is 1 or 0."""
        search = (str(int(answer.exact)), f"{answer.unseen:.6g}")
        if not answer.predictions and not answer.exact:
            return [("", "", "", *search)]
        return [(found.word, found.logprob, found.lower_logprob, *search) for found in answer.predictions]

    def last_word(self, answer: GapAnswer) -> list[tuple[str, float]]:
        """See `AnswerPrinter.last_word`."""
        return [] if answer.exact else [(UNSEEN, answer.unseen)]

    def notes(self, answer: GapAnswer) -> list[str]:
        """See `AnswerPrinter.notes`."""
        notes = super().notes(answer)
        if not answer.exact:
            notes.append(
                f"not exact: {answer.scored} of {answer.candidates} candidates were scored; the others have the "
                f"prior probability {answer.unseen:.4g}"
            )
        return notes
