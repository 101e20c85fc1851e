"""`lmctl eval` of models that fill gaps: pseudo-perplexities."""

from __future__ import annotations

import sys
from functools import partial
from typing import TYPE_CHECKING

import click

from lmctl.cli.activity import showing_activity
from lmctl.cli.reports import write_figures
from lmctl.cli.scores import Scored
from lmctl.cli.scores_of_gaps import make_gap_printer
from lmctl.query.evaluation import evaluate_gaps

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from lmctl.cli.output import Messages
    from lmctl.jobs.reporting.text_report import TextReport
    from lmctl.query.gap_scoring import GapScore
    from lmctl.query.model import Model
    from lmctl.query.pseudo_metrics import PseudoFigures
    from lmctl.text.formats import TextFormat

FORMATS = ("table", "tsv", "jsonl")


def check_gap_options(
    opened: Mapping[str, Model],
    format: str | None,
    state: str,
    blank_lines: str | None,
    max_perplexity: float | None,
    *,
    interval: bool,
) -> None:
    """Refuse options that have no meaning for a model that fills gaps, and a comparison with another model.

    Args:
        opened: the models by their names, at least one of which fills gaps.
        format: the value of --format; None: not given.
        state: the value of --state.
        blank_lines: the value of --blank-lines; None: not given.
        max_perplexity: the value of --max-perplexity; None: not given.
        interval: whether --interval was given.

    Raises:
        click.UsageError: an option has no meaning, or models of both kinds were named.
    """
    fills = next(name for name, model in opened.items() if model.gap_model is not None)
    others = [name for name, model in opened.items() if model.gap_model is None]
    has = f"{fills} fills gaps, and has a pseudo-perplexity"
    if others:
        raise click.UsageError(
            f"{has}, which does not compare with the perplexity of {others[0]}; evaluate them one at a time"
        )
    if format is not None and format not in FORMATS:
        raise click.UsageError(f"--format {format}: {has}; expected {', '.join(FORMATS)}")
    if state == "carry":
        raise click.UsageError(f"--state carry: {has} of each line by itself; leave it out")
    if blank_lines is not None:
        raise click.UsageError(f"--blank-lines {blank_lines}: {has} of words alone, not of </s>; leave it out")
    if max_perplexity is not None:
        raise click.UsageError(f"--max-perplexity: {has}, no perplexity; leave it out")
    if interval:
        raise click.UsageError(f"--interval: {has}, no perplexity; leave it out")


def evaluate_gap_models(
    messages: Messages,
    opened: Mapping[str, Model],
    names: Sequence[str],
    *,
    level: str,
    format: str | None,
    header: bool,
    accuracy_at: Sequence[int],
    output: Path | None,
    encoding: str,
    errors: str,
    text_format: TextFormat,
    report: TextReport | None,
) -> list[Scored[PseudoFigures]]:
    """Score texts, print their figures, and return them.

    Args:
        messages: which messages are shown.
        opened: the models by their names; all fill gaps.
        names: the texts; "-" is standard input.
        level: summary, sentence or word.
        format: table, tsv or jsonl; None: table on a terminal, else tsv.
        header: whether tsv starts with the names of the columns.
        accuracy_at: the values of k for accuracy@k.
        output: a file for the figures as JSON; None: no file.
        encoding: encoding of the texts.
        errors: strict, replace or skip.
        text_format: where the texts of the files stand.
        report: takes note of the scores; None: no report is wanted.
    """
    printer = make_gap_printer(format, level, header=header)
    results = []
    with showing_activity(messages, "scoring"):
        for name in names:
            for model_name, model in opened.items():
                if model.gap_model is None:
                    raise TypeError(model_name)
                on_sentence: Callable[[GapScore], object] = partial(printer.sentence, model_name, name)
                figures = evaluate_gaps(
                    model,
                    model.gap_model,
                    name,
                    accuracy_at=accuracy_at,
                    encoding=encoding,
                    errors=errors,
                    text_format=text_format,
                    top_answers=report is not None,
                    on_sentence=on_sentence if report is None else report.listening(model, on_sentence),
                    # The program that sends the lines may wait for one result before it sends the next line.
                    on_pause=None if level == "summary" else sys.stdout.flush,
                )
                results.append(Scored(model_name, name, figures))
                printer.text(results[-1])
    printer.end(results)
    if output is not None:
        write_figures(output, {name: model.bundle.folder for name, model in opened.items()}, results)
    return results
