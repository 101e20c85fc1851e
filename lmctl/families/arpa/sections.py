"""The n-grams of a file, order by order, as they stand in it: log10 numbers, and words by their numbers."""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from lmctl.log10 import MOST_LOG10_BACKOFFS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from lmctl.arrays import Float64Array, IntArray
    from lmctl.errors import DataError

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Section:
    """The n-grams of one order.

    Attributes:
        order: number of words of the n-grams.
        words: numbers of the words (their places among the unigrams), (rows * order,).
        log10_probs: log10 probabilities, (rows,).
        log10_backoffs: log10 back-off weights, (rows,); 0 if the file has none.
        places: where each n-gram stands in the file, for messages, (rows,); see `NgramFile.fault`.
    """

    order: int
    words: IntArray
    log10_probs: Float64Array
    log10_backoffs: Float64Array
    places: IntArray

    def __len__(self) -> int:
        return len(self.log10_probs)


class NgramFile(Protocol):
    """A file of n-grams that has been read.

    Attributes:
        source: name of the file for messages.
        words: the words of the unigrams. The number of a word is its place in this list.
        sections: the n-grams of each order, from order 1.
        is_escaped: whether words that other programs would misread have escapes (words.py).
    """

    source: str
    words: list[str]
    sections: list[Section]
    is_escaped: bool

    def fault(self, place: int, message: str) -> DataError:
        """Make the error for an n-gram, given its place in the file."""


def checked(file: NgramFile, section: Section, *, positive: bool) -> Section:
    """Check that the numbers of a section can be logarithms of probabilities and of back-off weights.

    Args:
        file: the file, for messages.
        section: its n-grams of one order.
        positive: whether log probabilities above 0 become 0; else they are errors.

    Raises:
        DataError: a number cannot be one.
    """
    log10_probs, log10_backoffs = section.log10_probs, section.log10_backoffs
    if positive and (above := (log10_probs > 0) & (log10_probs < np.inf)).any():
        logger.warning(
            "%s: took %d log10 probabilities of %d-grams above 0, of up to %g, as 0",
            file.source,
            np.count_nonzero(above),
            section.order,
            log10_probs[above].max(),
        )
        log10_probs = np.where(above, 0.0, log10_probs)
        section = replace(section, log10_probs=log10_probs)
    way_out = "; --positive-log-probs zero takes those above as 0" if (log10_probs > 0).any() else ""
    check(file, section, log10_probs, log10_probs <= 0, "a log10 probability of 0 or less", way_out)
    check(file, section, log10_backoffs, log10_backoffs < np.inf, "a log10 back-off")
    return section


def check_backoffs(file: NgramFile, sections: Sequence[Section]) -> None:
    """Check that the sum of the largest back-off weights of all orders fits into a float32.

    Raises:
        DataError: it does not.
    """
    largest = [section.log10_backoffs.max(initial=0.0) for section in sections]
    if sum(largest) > MOST_LOG10_BACKOFFS:
        section = sections[int(np.argmax(largest))]
        row = int(np.argmax(section.log10_backoffs))
        raise file.fault(
            section.places[row],
            f"expected log10 back-offs of all orders that add up to {MOST_LOG10_BACKOFFS:g} at most, "
            f"got {section.log10_backoffs[row]:g}",
        )


def check(
    file: NgramFile,
    section: Section,
    values: NDArray[Any],
    fits: NDArray[np.bool_],
    expected: str,
    way_out: str = "",
) -> None:
    """Check that all values of a section fit; else the message states the first one that does not.

    Raises:
        DataError: a value does not fit.
    """
    if not fits.all():
        row = int(np.argmin(fits))
        raise file.fault(section.places[row], f"expected {expected}, got {values[row]:g}{way_out}")
