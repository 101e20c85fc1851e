"""Sections about the words of a text under a model: bands of frequency, calibration, a shaded sample, examples.

A model that fills gaps reads the words on both sides of a word. Its figures have other names, because they do not
compare with those of a model of the next word.
"""

from __future__ import annotations

import bisect
import itertools
import math
from typing import TYPE_CHECKING, NamedTuple

from lmctl.jobs.reporting.numbers import decimal, percent
from lmctl.pages.elements import element, table
from lmctl.pages.page import Figure, details, figures, paragraph
from lmctl.pages.plots import plot_bars, plot_reliability
from lmctl.query.calibration import BINS
from lmctl.query.filling import BLANK
from lmctl.records import shortened

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lmctl.pages.elements import Child, Element
    from lmctl.query.calibration import Calibration
    from lmctl.query.examples import Context, Example
    from lmctl.query.frequency_bands import Band
    from lmctl.query.inspection import Inspection, SampledWord

# The least bits of each shade but the first one, which is no shade.
SHADES = (2, 4, 7, 10, 14)
LONGEST_WORD = 60
_WITHOUT_COUNTS = "This model has no counts of words, so there are no bands of frequency."
_WITHOUT_ANSWERS = (
    "The most probable tokens were not computed, so there is no calibration of the top answer: dynamic evaluation "
    "computes the probabilities of the text alone."
)


class _Names(NamedTuple):
    """What the sections of a kind of model call things.

    Attributes:
        perplexity: the figure of a band.
        surprisal: -log2 of the probability of a word, in bits.
        known: what was known of the text around a word.
        words: what the bands have.
        answers: what the top answers are.
        predictions: what the examples are.
        marks: what the marks in the shaded text mean.
    """

    perplexity: str
    surprisal: str
    known: str | None
    words: str
    answers: str
    predictions: str
    marks: str


_OF_NEXT_WORDS = _Names(
    perplexity="perplexity",
    surprisal="surprisal",
    known=None,
    words="Words of the text, by how often they occur in the training text; oov: not in the vocabulary; </s>: "
    "ends of sentences.",
    answers="How often the most probable token was right, by its probability. <unk> and </s> are answers, too.",
    predictions="predictions",
    marks="¶ is the end of a line; dotted lines stand under words that are not in the vocabulary.",
)
_OF_GAPS = _Names(
    perplexity="pseudo-perplexity",
    surprisal="pseudo-surprisal",
    known="Each word was hidden in turn, and the words on both sides of it were known. So the sum of "
    "these bits is not the surprisal of the text, and does not compare with that of a model of the next word.",
    words="Words of the text, each hidden in turn, by how often they occur in the training text; oov: not in the "
    "vocabulary.",
    answers="How often the most probable token for a gap was right, by its probability; the words on both sides "
    "of the gap were known. <unk> and </s> are answers, too, and </s> is never right.",
    predictions="filled gaps",
    marks="Dotted lines stand under words that are not in the vocabulary.",
)


def _names(found: Inspection) -> _Names:
    return _OF_GAPS if found.of_gaps else _OF_NEXT_WORDS


def parts(found: Inspection, language: str | None) -> list[tuple[str, list[Child]]]:
    """The heading and the content of each section about the words of a text.

    Args:
        found: of the text under a model.
        language: of the text, as HTML names it; None: not known.
    """
    names = _names(found)
    return [
        ("Frequent and rare words", _bands_and_calibration(found, names)),
        (f"{names.surprisal.capitalize()}, word by word", _shaded_words(found.sample, names, language)),
        (f"Best and worst {names.predictions}", _best_and_worst(found, names, language)),
    ]


def _bands_and_calibration(found: Inspection, names: _Names) -> list[Child]:
    shown = []
    if found.bands is not None:
        shown.append(_bands(found.bands, names))
    if found.calibration is not None:
        shown.append(_calibration(found.calibration, names))
    return [
        figures(*shown),
        None if found.bands is not None else paragraph(_WITHOUT_COUNTS),
        None if found.calibration is not None else paragraph(_WITHOUT_ANSWERS),
    ]


def _bands(bands: Sequence[Band], names: _Names) -> Figure:
    figure = names.perplexity
    total = sum(band.tokens for band in bands)
    nats = sum(band.nats for band in bands)
    numbers = table(
        "Bands of frequency",
        ["occurrences in training", "tokens", "share of tokens", figure, f"share of the {names.surprisal}"],
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
        f"{names.words} The bands add up to the text. The axis is logarithmic.",
        plot_bars([(band.name, band.perplexity) for band in bands], figure, logarithmic=True),
        numbers,
    )


def _calibration(found: Calibration, names: _Names) -> Figure:
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
        f"{names.answers} Expected calibration error {percent(found.error)} ({BINS} bins of equal width, Guo et "
        f"al. 2017); {percent(found.accuracy)} of {found.answers:,} answers are right, and their mean probability "
        f"is {percent(found.confidence)}.",
        plot_reliability([(each.low, each.high, each.accuracy, each.answers) for each in found.bins]),
        numbers,
    )


def _shaded_words(sample: Sequence[SampledWord], names: _Names, language: str | None) -> list[Child]:
    """The words of a sample, each with a shade for its surprisal."""
    lines = [
        [_shaded(" ¶" if word.ends_line else word.text, word) for word in words]
        for _, words in itertools.groupby(sample, key=lambda word: word.line)
    ]
    ends = [f"under {SHADES[0]} bits", *(f"from {least}" for least in SHADES)]
    numbers = table(
        f"{names.surprisal.capitalize()} of each word",
        ["word", f"{names.surprisal} in bits", "note"],
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
        None if names.known is None else paragraph(names.known),
        paragraph(f"The stronger the shade, the less the model expected the word. {names.marks}"),
        element(
            "p", *(element("span", end, class_=f"b{place}") for place, end in enumerate(ends)), class_="scale"
        ),
        *(element("p", *line, class_="reading", dir="auto", lang=language) for line in lines),
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


def _best_and_worst(found: Inspection, names: _Names, language: str | None) -> list[Child]:
    """The words that the model predicts best and worst."""
    if not found.best:
        return [paragraph("No word of the text is in the vocabulary.")]
    by_gain = found.best[0].gain is not None
    best = (
        "Best: words that gain most over their frequency in the training text, in bits"
        if by_gain
        else "Best: the most probable words"
    )
    worst = f"Worst: words with the highest {names.surprisal}"
    return [
        None if names.known is None else paragraph(f"{BLANK} is the gap. {names.known}"),
        _examples(found.best, best, language, has_gain=by_gain, of_gaps=found.of_gaps),
        _examples(found.worst, worst, language, has_gain=False, of_gaps=found.of_gaps),
    ]


def _examples(
    found: Sequence[Example], caption: str, language: str | None, *, has_gain: bool, of_gaps: bool
) -> Element:
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
        around = _around(example.context, of_gap=of_gaps)
        rows.append([*row, words(*around) if around else "(start of the line)"])
    return table(caption, header, rows, is_captioned=True, is_wide=True)


def _around(context: Context, *, of_gap: bool) -> list[str]:
    """The words around a word, with a mark in place of a gap."""
    before = [*(["…"] if context.has_more_before else []), *context.before]
    if not of_gap:
        return before
    return [*before, BLANK, *context.after, *(["…"] if context.has_more_after else [])]
