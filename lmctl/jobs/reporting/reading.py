"""Sections about the words of a text under a model: bands of frequency, calibration, a shaded sample, examples."""

from __future__ import annotations

import bisect
import math
from typing import TYPE_CHECKING

from lmctl.jobs.reporting.numbers import decimal, percent
from lmctl.pages.elements import element, table
from lmctl.pages.page import Figure, details, figures, paragraph
from lmctl.pages.plots import plot_bars, plot_reliability
from lmctl.query.calibration import BINS
from lmctl.records import shortened

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lmctl.pages.elements import Child, Element
    from lmctl.query.calibration import Calibration
    from lmctl.query.examples import Example
    from lmctl.query.frequency_bands import Band
    from lmctl.query.inspection import Inspection, SampledWord

# The least bits of each shade but the first one, which is no shade.
SHADES = (2, 4, 7, 10, 14)
LONGEST_WORD = 60
_WITHOUT_COUNTS = "This model has no counts of words, so there are no bands of frequency."


def bands_and_calibration(found: Inspection) -> list[Child]:
    """The content of a section: perplexity by frequency, and the calibration of the top answer."""
    shown = []
    if found.bands is not None:
        shown.append(_bands(found.bands))
    if found.calibration is not None:
        shown.append(_calibration(found.calibration))
    return [figures(*shown), None if found.bands is not None else paragraph(_WITHOUT_COUNTS)]


def bands_of_gaps(bands: Sequence[Band] | None) -> list[Child]:
    """The content of a section: pseudo-perplexity by frequency, of words that were hidden in turn."""
    if bands is None:
        return [paragraph(_WITHOUT_COUNTS)]
    return [
        figures(
            _bands(
                bands,
                "pseudo-perplexity",
                "Words of the text, each hidden in turn, by how often they occur in the training text; oov: not "
                "in the vocabulary. The bands add up to the text. The axis is logarithmic.",
            )
        )
    ]


def _bands(
    bands: Sequence[Band],
    figure: str = "perplexity",
    described: str = "Words of the text, by how often they occur in the training text; oov: not in the "
    "vocabulary; </s>: ends of sentences. The bands add up to the text. The axis is logarithmic.",
) -> Figure:
    total = sum(band.tokens for band in bands)
    nats = sum(band.nats for band in bands)
    numbers = table(
        "Bands of frequency",
        ["occurrences in training", "tokens", "share of tokens", figure, "share of the surprisal"],
        [
            (
                band.name,
                f"{band.tokens:,}",
                percent(band.tokens / total),
                decimal(band.perplexity),
                percent(band.nats / nats) if nats and math.isfinite(nats) else "-",
            )
            for band in bands
        ],
    )
    return Figure(
        f"{figure.capitalize()} by frequency",
        described,
        plot_bars([(band.name, band.perplexity) for band in bands], figure, logarithmic=True),
        numbers,
    )


def _calibration(found: Calibration) -> Figure:
    numbers = table(
        "Bins of the calibration",
        ["probability of the answer", "answers", "mean probability", "right"],
        [
            (
                f"{each.low:.3f} to {each.high:.3f}",
                f"{each.answers:,}",
                percent(each.confidence),
                percent(each.accuracy),
            )
            for each in found.bins
        ],
    )
    return Figure(
        "Calibration of the top answer",
        f"How often the most probable token was right, by its probability. Expected calibration error "
        f"{percent(found.error)} ({BINS} bins of equal width, Guo et al. 2017); {percent(found.accuracy)} of "
        f"{found.answers:,} answers are right, and their mean probability is {percent(found.confidence)}. <unk> "
        "and </s> are answers, too.",
        plot_reliability([(each.low, each.high, each.accuracy, each.answers) for each in found.bins]),
        numbers,
    )


def shaded(sample: Sequence[SampledWord], language: str | None) -> list[Child]:
    """The content of a section: the words of a sample, each with a shade for its surprisal.

    Args:
        sample: the words.
        language: of the text, as HTML names it; None: not known.
    """
    lines: list[list[Child]] = [[]]
    for word in sample:
        if word.ends_line:
            lines[-1].append(_shaded(" ¶", word))
            lines.append([])
        else:
            lines[-1].append(_shaded(word.text, word))
    ends = [f"under {SHADES[0]} bits", *(f"from {least}" for least in SHADES)]
    numbers = table(
        "Surprisal of each word",
        ["word", "surprisal in bits", "note"],
        [
            (
                element("span", shortened(word.text.strip(), LONGEST_WORD), dir="auto", lang=language),
                decimal(word.bits),
                "out of vocabulary" if word.oov else "",
            )
            for word in sample
        ],
    )
    return [
        paragraph(
            "The stronger the shade, the less the model expected the word. ¶ is the end of a line; dotted lines "
            "stand under words that are not in the vocabulary."
        ),
        element(
            "p", *(element("span", end, class_=f"b{place}") for place, end in enumerate(ends)), class_="scale"
        ),
        *(element("p", *line, class_="reading", dir="auto", lang=language) for line in lines if line),
        details("Numbers", numbers),
    ]


def _shaded(text: str, word: SampledWord) -> list[Child]:
    stripped = text.lstrip(" ")
    kind = f"b{bisect.bisect_right(SHADES, word.bits)}{' oov' if word.oov else ''}"
    title = f"{decimal(word.bits, 1)} bits"
    return [
        " " if len(stripped) < len(text) else None,
        element("span", shortened(stripped, LONGEST_WORD), class_=kind, title=title),
    ]


def examples(found: Inspection, language: str | None) -> list[Child]:
    """The content of a section: the words that the model predicts best and worst."""
    if not found.best:
        return [paragraph("No word of the text is in the vocabulary.")]
    by_gain = found.best[0].gain is not None
    best = (
        "Best: words that gain most over their frequency in the training text, in bits"
        if by_gain
        else "Best: the most probable words"
    )
    return [
        _examples(found.best, best, language, has_gain=by_gain),
        _examples(found.worst, "Worst: words with the highest surprisal", language, has_gain=False),
    ]


def _examples(found: Sequence[Example], caption: str, language: str | None, *, has_gain: bool) -> Element:
    def words(*texts: str) -> Element:
        return element(
            "span", " ".join(shortened(text, LONGEST_WORD) for text in texts), dir="auto", lang=language
        )

    has_answer = any(example.answer is not None for example in found)
    header = ["word", "bits", *(["gain"] if has_gain else []), *(["top answer"] if has_answer else []), "context"]
    rows: list[list[Child]] = []
    for example in found:
        row: list[Child] = [words(example.word), decimal(example.bits)]
        if has_gain:
            row.append(decimal(example.gain))
        if has_answer:
            row.append([words(example.answer or ""), f" {percent(example.confidence)}"])
        before = ("…", *example.context) if example.is_cut else example.context
        rows.append([*row, words(*before) if before else "(start of the line)"])
    return table(caption, header, rows, is_captioned=True, is_wide=True)
