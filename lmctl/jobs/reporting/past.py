"""Sections about the past of a model: its generations, its runs, and what the gate decided."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

from lmctl.jobs.reporting.numbers import LONGEST_TEXT, count, decimal, duration, percent
from lmctl.pages.elements import table
from lmctl.pages.page import Figure, Section, figures, paragraph
from lmctl.pages.plots import Line, Panel, plot_lines
from lmctl.records import shortened

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from lmctl.pages.elements import Child
    from lmctl.store.listing import Generation
    from lmctl.store.runs import Run

# The latest ones are shown.
MOST_GENERATIONS = 50
MOST_RUNS = 50


def generations(listed: Sequence[Generation], number: int | None) -> Section | None:
    """The generations that are kept; None: there are none, as of a bundle that stands alone.

    Args:
        listed: the generations, the oldest first.
        number: the generation that the report is of.
    """
    shown = [each for each in listed if each.generation is not None][-MOST_GENERATIONS:]
    if not shown:
        return None
    rows = [
        (
            str(each.generation),
            _marks(each, number),
            each.fault or str(each.family),
            each.preset or "",
            count(each.vocabulary_size),
            count(each.tokens),
            decimal(each.valid_perplexity or each.valid_pseudo_perplexity),
            percent(each.valid_oov_rate),
        )
        for each in shown
    ]
    fills_gaps = any(each.valid_pseudo_perplexity is not None for each in shown)
    figure = "validation pseudo-perplexity" if fills_gaps else "validation perplexity"
    content: list[Child] = [
        table(
            "Generations",
            ["generation", "state", "family", "preset", "vocabulary", "tokens", figure, "OOV"],
            rows,
        )
    ]
    values = [
        (float(each.generation or 0), each.valid_perplexity or each.valid_pseudo_perplexity) for each in shown
    ]
    points = [(number, value) for number, value in values if value is not None]
    if len(points) > 1:
        plot = plot_lines([Panel(figure, [Line(figure, points)])], "generation")
        numbers = table(
            "Figure of each generation",
            ["generation", figure],
            [(f"{number:.0f}", decimal(value)) for number, value in points],
        )
        described = (
            "Each on the validation text of its own run, so the figures compare only if that text is the same."
        )
        content.append(figures(Figure("From generation to generation", described, plot, numbers)))
    return Section("Generations", content)


def _marks(each: Generation, number: int | None) -> str:
    marks = ["current"] if each.current else []
    return ", ".join(
        [*marks, *(["pinned"] if each.pinned else []), *(["this report"] if each.generation == number else [])]
    )


def runs(newest_first: Sequence[Run]) -> Section | None:
    """The runs, with the decisions of the gate; None: there are none."""
    shown = newest_first[:MOST_RUNS]
    if not shown:
        return None
    rows = [
        (
            _time(run.start),
            run.outcome,
            run.generation.lstrip("0") if run.generation else "",
            "" if run.end is None else duration(_seconds(run.start, run.end)),
            _gate(run),
            shortened(run.message or "", LONGEST_TEXT),
        )
        for run in shown
    ]
    more = f" The latest {MOST_RUNS} runs are shown." if len(newest_first) > MOST_RUNS else ""
    return Section(
        "Runs and decisions of the gate",
        [
            paragraph(
                "The gate compares a new model with the current generation on the same text, in bits per "
                f"character, and publishes it only if it is not worse by more than the tolerance.{more}"
            ),
            table(
                "Runs, the latest one first",
                ["start (UTC)", "outcome", "generation", "took", "gate", "message"],
                rows,
                is_wide=True,
            ),
        ],
    )


def _gate(run: Run) -> str:
    """The decisions of the gate in a run; empty if there was none, or if an older version of lmctl kept none."""
    try:
        return "; ".join(map(_decision, run.gate or [])) or _refusal(run.figures)
    except (KeyError, TypeError, ValueError):
        # Another program has written the line.
        return ""


def _decision(found: Mapping[str, Any]) -> str:
    text = "validation text" if found["text"] == "validation" else "kept text of the current generation"
    decided = "passed" if found["passed"] else "refused"
    return (
        f"{decided} on the {text}: {found['new_bits_per_character']:.4f} against "
        f"{found['published_bits_per_character']:.4f} ({100 * found['tolerance']:g} % is allowed)"
    )


def _refusal(found: Mapping[str, Any]) -> str:
    for figure in ("bits_per_character", "pseudo_bits_per_character"):
        if f"published_{figure}" in found:
            return f"refused: {found[figure]:.4f} against {found[f'published_{figure}']:.4f}"
    return ""


def _time(start: str) -> str:
    return start.removesuffix("+00:00").replace("T", " ")


def _seconds(start: str, end: str) -> float:
    try:
        return (datetime.fromisoformat(end) - datetime.fromisoformat(start)).total_seconds()
    except ValueError:  # a day that its month does not have
        return 0.0
