"""Sections about the training of a model: its curves, what it was compared with, and the drift of a warm start."""

from __future__ import annotations

import itertools
import math
from typing import TYPE_CHECKING, Any

from lmctl import families
from lmctl.jobs.reporting.numbers import count, decimal, duration, percent, significant
from lmctl.pages.elements import definitions, element, table
from lmctl.pages.page import Figure, Section, figures, paragraph
from lmctl.pages.plots import Line, Panel, plot_bars, plot_lines
from lmctl.records import shortened

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from lmctl.pages.elements import Element

# Epochs that are drawn. Of more, every n-th is drawn, and the last one.
MOST_EPOCHS = 200
MOST_NEW_WORDS = 40


def curves(history: Sequence[Mapping[str, Any]]) -> Section | None:
    """The curves of training and validation, by step and by time, with the learning rate; None: no history."""
    if not history:
        return None
    ends = list(itertools.accumulate(epoch.get("seconds") or 0.0 for epoch in history))
    stride = math.ceil(len(history) / MOST_EPOCHS)
    shown = [
        (epoch, end)
        for place, (epoch, end) in enumerate(zip(history, ends, strict=True))
        if place % stride == 0 or place == len(history) - 1
    ]
    fills_gaps = any(epoch.get("train_masked_cross_entropy_nats") is not None for epoch in history)
    figure = "masked_cross_entropy_nats" if fills_gaps else "perplexity"
    label = "nats of a hidden word" if fills_gaps else "perplexity"
    unit, seconds_of_unit = _time_unit(ends[-1])
    numbers = table(
        "Figures of each epoch",
        ["epoch", "step", "time", f"training {label}", f"validation {label}", "learning rate", "best"],
        [
            (
                count(epoch["epoch"]),
                count(epoch.get("step")),
                duration(end),
                decimal(epoch.get(f"train_{figure}")),
                decimal(epoch.get(f"valid_{figure}")),
                significant(epoch.get("learning_rate")),
                "yes" if epoch.get("best") else "",
            )
            for epoch, end in shown
        ],
    )
    best = next((epoch for epoch in reversed(history) if epoch.get("best")), None)
    described = (
        f"{label.capitalize()} of the training text (dropout on, while the weights change) and of the validation "
        f"text after each epoch, and the learning rate below."
    )
    epochs = f"{len(history):,} epoch{'s' if len(history) > 1 else ''}"
    said = f"{epochs}, {count(history[-1].get('step'))} steps, {duration(ends[-1])} of training."
    if best is not None:
        said += f" Epoch {best['epoch']:,} is the best one, whose weights were published."
    drawn = [
        Figure(title, described, _drawn(shown, figure, label, by), numbers_of)
        for title, by, numbers_of in (
            ("By step", ("step", None), numbers),
            ("By time", (unit, seconds_of_unit), None),
        )
    ]
    return Section("Curves of training", [paragraph(said), figures(*drawn)])


def _drawn(
    shown: Sequence[tuple[Mapping[str, Any], float]], figure: str, label: str, by: tuple[str, float | None]
) -> Element:
    """The plot of the epochs over steps, or over time in a unit of so many seconds."""
    x_label, seconds = by

    def line(name: str, key: str) -> Line:
        found = [
            (float(epoch.get("step") or 0) if seconds is None else end / seconds, epoch.get(key))
            for epoch, end in shown
        ]
        return Line(name, [(x, y) for x, y in found if y is not None])

    lines = [line("training", f"train_{figure}"), line("validation", f"valid_{figure}")]
    panels = [
        Panel(label, [each for each in lines if each.points], logarithmic=figure == "perplexity"),
        Panel("learning rate", [line("learning rate", "learning_rate")]),
    ]
    return plot_lines(panels, x_label)


def _time_unit(seconds: float) -> tuple[str, float]:
    if seconds < 180:
        return "seconds", 1.0
    return ("minutes", 60.0) if seconds < 3 * 3600 else ("hours", 3600.0)


def side_by_side(metrics: Mapping[str, Any]) -> Section | None:
    """The network, the baseline of the same corpus, their mixture, and the cache; None: nothing was compared."""
    compared, cache = metrics.get("compared"), metrics.get("cache")
    shown = []
    if compared is not None:
        mixed = families.combining().name
        rows = [
            (compared.get("baseline") or "n-grams", compared["ngram_perplexity"], compared["weights"][1]),
            ("network", compared["network_perplexity"], compared["weights"][0]),
            (mixed, compared["mixture_perplexity"], None),
        ]
        tokens = compared.get("tokens")
        described = (
            f"Perplexity of the validation text{'' if tokens is None else f' ({tokens:,} tokens)'}, "
            f"{_terms(compared)}. The model is the {mixed if compared['mixture_is_chosen'] else 'network'}."
        )
        numbers = table(
            "Perplexity of each model",
            ["model", "perplexity", "weight in the mixture"],
            [(name, decimal(value), decimal(weight, 4)) for name, value, weight in rows],
        )
        shown.append(_bars("Network, n-grams and mixture", described, rows, numbers))
    if cache is not None:
        rows = [
            ("without a cache", cache["perplexity_without"], None),
            (f"cache of {cache['words']:,} words", cache["perplexity"], None),
        ]
        described = (
            f"Perplexity of the first {cache['tokens']:,} tokens of the validation text, read as one stream, "
            f"{'including' if cache['includes_oov'] else 'excluding'} OOVs."
        )
        numbers = table(
            "Perplexity with a cache", ["model", "perplexity"], [(name, decimal(value)) for name, value, _ in rows]
        )
        shown.append(_bars("With a cache", described, rows, numbers))
    return Section("Side by side", [figures(*shown)]) if shown else None


def _bars(title: str, described: str, rows: Sequence[tuple[str, float | None, Any]], numbers: Element) -> Figure:
    bars = [(name, math.inf if value is None else value) for name, value, _ in rows]
    return Figure(title, described, plot_bars(bars, "perplexity"), numbers)


def _terms(figures_of: Mapping[str, Any]) -> str:
    oovs = "including" if figures_of["includes_oov"] else "excluding"
    return f"{oovs} OOVs, state {figures_of['state']}"


def drift(metrics: Mapping[str, Any]) -> Section | None:
    """The changes since the older model that training started from; None: no warm start."""
    found = metrics.get("drift")
    if found is None:
        return None
    before = found.get("valid_perplexity")
    rows_of_words = (
        f"{found['rows_kept']:,} kept, {found['rows_moved']:,} moved to another cluster, "
        f"{found['rows_new']:,} new, {found['rows_gone']:,} gone"
    )
    rows = [
        ("older model", f"model.json with SHA-256 {found['model_sha256']}"),
        ("new words in the training text", f"{percent(found['oov_rate'])} of its words were unknown before"),
        ("rows of the vocabulary", rows_of_words),
        ("new text", percent(found["new_text"])),
        ("read again of the old text", f"{decimal(found['rehearsed_text'])} of it in each epoch"),
        ("learning rate", f"times {significant(found['rate_factor'])}"),
    ]
    if before is not None:
        terms = f"{percent(found.get('valid_oov_rate'))} OOV, state {found.get('valid_state')}"
        rows.append(("older model on the new validation text", f"perplexity {decimal(before)} ({terms})"))
    words = found["new_words"][:MOST_NEW_WORDS]
    return Section(
        "Drift since the older model",
        [
            definitions(rows),
            table(
                "The most frequent new words",
                ["new word", "occurrences"],
                [(element("span", shortened(word, 60), dir="auto"), f"{times:,}") for word, times in words],
                is_captioned=True,
            )
            if words
            else None,
        ],
    )
