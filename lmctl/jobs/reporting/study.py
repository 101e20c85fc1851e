"""Sections about a study: trials with their curves, the best so far, what mattered, and how to repeat the best."""

from __future__ import annotations

import itertools
import math
import shlex
from typing import TYPE_CHECKING

from lmctl.jobs.reporting.numbers import LONGEST_TEXT, decimal, duration, percent
from lmctl.jobs.tune.study import CURVE_POINTS
from lmctl.pages.elements import element, table
from lmctl.pages.page import Figure, Section, details, figures, paragraph
from lmctl.pages.plots import Line, Panel, plot_bars, plot_lines
from lmctl.records import shortened

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lmctl.jobs.tune.options import Tuned
    from lmctl.jobs.tune.study import Trial
    from lmctl.pages.elements import Element

# Of more trials, the best ones are in the table, and the latest ones in the plot of the curves.
MOST_TRIALS = 200
MOST_CURVES = 100
_STATES = {"done": "done", "cut": "cut off", "failed": "failed", "too_large": "over a limit"}


def study_sections(tuned: Tuned) -> list[Section]:
    """The sections about a study, for the report of the model that it published."""
    trials, figure = tuned.study, tuned.figure.replace("_", "-")
    shown = [
        each
        for each in (
            _curves(trials, tuned.best, figure),
            _best_so_far(trials, figure),
            _importances(tuned.importances),
        )
        if each is not None
    ]
    best = Section(
        "The best configuration",
        [
            paragraph(
                f"Trial {tuned.best} has the lowest {figure} on the validation text, "
                f"{decimal(tuned.trial_perplexity)}. This command trains its configuration again:"
            ),
            element(
                "pre",
                element("code", shlex.join(["lmctl", "train", "CORPUS", "-c", tuned.settings])),
                class_="command",
                tabindex="0",
            ),
            details(
                "Its settings",
                element("pre", element("code", tuned.yaml), tabindex="0", role="region", aria_label="Settings"),
            ),
        ],
    )
    return [
        Section(
            "Trials", [paragraph(_summary(tuned, figure)), figures(*shown), _table(trials, tuned.best, figure)]
        ),
        best,
    ]


def _summary(tuned: Tuned, figure: str) -> str:
    counts = ", ".join(f"{number} {_STATES[state]}" for state, number in tuned.trials.items())
    seconds = sum(trial.seconds for trial in tuned.study)
    said = f"Trials: {counts}. Together they took {duration(seconds)}."
    if tuned.first_perplexity is not None:
        said += (
            f" Trial 0 has the values of the preset and of the settings; its {figure} is "
            f"{decimal(tuned.first_perplexity)}."
        )
    return f"{said} A validation text flatters the configuration that it has chosen among many."


def _curves(trials: Sequence[Trial], best: int, figure: str) -> Figure | None:
    """The validation curves; None if no trial has one."""
    with_points = [trial for trial in trials if trial.points]
    if not with_points:
        return None
    chosen = [each for each in with_points if each.number == best]
    chosen += [each for each in with_points if each.number != best][-MOST_CURVES:]
    lines = [
        Line(_kind(trial, best), [(100 * point / CURVE_POINTS, value) for point, value in _points(trial)])
        for trial in chosen
    ]
    at_point = "Perplexity" if figure == "perplexity" else "Exponential of the masked cross-entropy"
    described = (
        f"{at_point} of the first 20,000 tokens of the validation text after each quarter of a trial. The last "
        f"point of a trial that was trained to its end is the {figure} of the whole text."
    )
    return Figure(
        "Validation curves of the trials",
        described,
        plot_lines([Panel(figure, lines, logarithmic=True)], "% of the training"),
        table(
            f"{figure.capitalize()} of each trial by part of its training",
            ["trial", *(f"{100 * point // CURVE_POINTS} %" for point in _all_points())],
            [
                (f"{trial.number}", *(decimal(dict(_points(trial)).get(point)) for point in _all_points()))
                for trial in sorted(chosen, key=lambda each: each.number)
            ],
        ),
    )


def _all_points() -> range:
    return range(1, CURVE_POINTS + 1)


def _points(trial: Trial) -> list[tuple[int, float]]:
    """The points of a curve, and the end of a trial that was trained to it."""
    end = [] if trial.state != "done" or trial.perplexity is None else [(CURVE_POINTS, trial.perplexity)]
    return [*sorted(trial.points.items()), *end]


def _kind(trial: Trial, best: int) -> str:
    """The line of a trial in the legend, which has three names at most."""
    if trial.number == best:
        return "the best"
    return _STATES["done"] if trial.state == "done" else "cut off, failed or over a limit"


def _best_so_far(trials: Sequence[Trial], figure: str) -> Figure | None:
    """The lowest perplexity by time; None if fewer than two trials were trained to their end."""
    by_end = sorted(trials, key=lambda each: each.ended)
    times = itertools.accumulate(trial.seconds for trial in by_end)
    steps: list[tuple[float, Trial]] = []
    least, done = math.inf, 0
    for time, trial in zip(times, by_end, strict=True):
        if trial.state != "done" or trial.perplexity is None:
            continue
        done += 1
        if trial.perplexity < least:
            least = trial.perplexity
            steps.append((time, trial))
    if done < 2:
        return None
    last = sum(trial.seconds for trial in trials)
    points = [(time / 60, trial.perplexity or math.inf) for time, trial in steps]
    corners = [
        corner
        for (time, value), (following, _) in itertools.pairwise([*points, (last / 60, least)])
        for corner in ((time, value), (following, value))
    ]
    return Figure(
        "Best so far",
        f"The lowest {figure} of the trials that were trained to their end, by the time that all trials have "
        "taken. Trials at the same time are added up.",
        plot_lines([Panel(figure, [Line("best so far", corners)])], "minutes of all trials"),
        table(
            "Trials that were the best when they ended",
            ["trial", "time", figure],
            [(f"{trial.number}", duration(time), decimal(trial.perplexity)) for time, trial in steps],
        ),
    )


def _importances(importances: dict[str, float]) -> Figure | None:
    """The share of each key; None if there are too few trials."""
    if not importances:
        return None
    return Figure(
        "What mattered",
        "Share of each key in the differences between the trials that were trained to their end (PED-ANOVA). With "
        "a dozen trials, this is a hint.",
        plot_bars([(key, 100 * share) for key, share in importances.items()], "%"),
        table("Share of each key", ["key", "share"], [(key, percent(each)) for key, each in importances.items()]),
    )


def _table(trials: Sequence[Trial], best: int, figure: str) -> Element:
    """The trials with their values, in their order."""
    ranked = sorted(trials, key=lambda each: (each.state != "done", each.perplexity or math.inf, each.number))
    shown = sorted(ranked[:MOST_TRIALS], key=lambda each: each.number)
    keys = list(shown[0].values) if shown else []
    more = f"; the best {MOST_TRIALS} of {len(trials):,}" if len(trials) > MOST_TRIALS else ""
    # The keys are in the settings of the best trial in full; here, the last part of each is enough.
    names = [key.rpartition(".")[2] for key in keys]
    has_reasons = any(trial.why is not None for trial in shown)
    return table(
        f"Trials{more}",
        ["trial", figure, "time", "result", *names, *(["reason"] if has_reasons else [])],
        [
            (
                f"{trial.number}",
                decimal(trial.perplexity),
                duration(trial.seconds),
                f"{_STATES[str(trial.state)]}{', the best' if trial.number == best else ''}",
                *(f"{trial.values.get(key)}" for key in keys),
                *([shortened(trial.why or "", LONGEST_TEXT)] if has_reasons else []),
            )
            for trial in shown
        ],
        is_captioned=True,
        is_wide=has_reasons,
    )
