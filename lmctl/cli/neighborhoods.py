"""Printing answers of `lmctl neighbors`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lmctl.cli.answers import AnswerPrinter
from lmctl.query.vectors import Neighborhood

if TYPE_CHECKING:
    from collections.abc import Sequence


class NeighborPrinter(AnswerPrinter[Neighborhood]):
    """Prints near words and their cosines."""

    columns = ("word", "cosine")
    figure = "cosine"

    def title(self, answer: Neighborhood) -> str:
        """See `AnswerPrinter.title`."""
        return answer.word

    def words(self, answer: Neighborhood) -> list[tuple[str, float]]:
        """See `AnswerPrinter.words`."""
        return [(found.word, found.cosine) for found in answer.neighbors]

    def rows(self, answer: Neighborhood) -> list[Sequence[object]]:
        """See `AnswerPrinter.rows`."""
        return [(found.word, found.cosine) for found in answer.neighbors]
