"""`lmctl eval`."""

from __future__ import annotations

import sys
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import click

from lmctl.cli.completion import complete_files
from lmctl.cli.dynamic import check_dynamic, dynamic_rate_option, follow
from lmctl.cli.options import (
    cache_option,
    check_cache,
    encoding_options,
    header_option,
    json_option,
    message_options,
    models_option,
    pass_messages,
    report_option,
    state_option,
    text_format_options,
)
from lmctl.cli.parameters import FiniteNumber, PathName, ranks
from lmctl.cli.queries import check_different, check_files
from lmctl.errors import QualityGateError

if TYPE_CHECKING:
    from collections.abc import Callable

    from lmctl.cli.output import Messages
    from lmctl.cli.scores import Scored
    from lmctl.jobs.reporting.text_report import TextReport
    from lmctl.query.metrics import Figures
    from lmctl.query.sentence_scores import SentenceScore
    from lmctl.store.figures import State
    from lmctl.text.formats import TextFormat

FORMATS = ("table", "kenlm", "srilm", "tsv", "jsonl")
# Percent, of --interval.
CONFIDENCE = 95.0
# As the programs of these formats do: KenLM's query answers a blank line, SRILM's reader skips it.
BLANK_LINES: dict[str, Literal["drop", "keep"]] = {"kenlm": "keep", "srilm": "drop"}


@click.command(name="eval")
@click.argument("files", nargs=-1, type=PathName(), metavar="[FILE|-]...", shell_complete=complete_files)
@models_option
@state_option
@cache_option
@click.option(
    "--dynamic",
    is_flag=True,
    help="Dynamic evaluation: a network goes on learning from the text while it scores it; needs --state carry "
    "and the extra lmctl[train]. The model on disk does not change.",
)
@dynamic_rate_option
@click.option(
    "--level",
    type=click.Choice(["summary", "sentence", "word"]),
    default="summary",
    show_default=True,
    help="summary: one result for each text; sentence: also one for each line; word: one for each token.",
)
@click.option(
    "--format",
    type=click.Choice(FORMATS),
    help="table: for a terminal; kenlm, srilm: as these programs print it; tsv: tab-separated; jsonl: a JSON "
    "object on each line.  [default: table on a terminal, else tsv]",
)
@json_option
@header_option
@click.option(
    "--interval",
    is_flag=True,
    help="Also report an interval of the perplexity: where it would be with other lines of the same kind, by "
    "resampling the lines (bootstrap).",
)
@click.option(
    "--confidence",
    type=FiniteNumber(0, 100, above_low=True),
    metavar="PERCENT",
    help="Confidence of --interval.  [default: 95]",
)
@click.option(
    "--accuracy-at",
    callback=ranks,
    metavar="K,K,...",
    help="Also report the share of tokens that were among the K most probable ones, and the mean reciprocal rank."
    "  [default: not reported]",
)
@click.option(
    "--blank-lines",
    type=click.Choice(["drop", "keep"]),
    help="Lines without words: drop: skip them; keep: score the </s> that ends each.  [default: as in training; "
    "for --format kenlm keep and for srilm drop, as these programs do]",
)
@click.option(
    "-o",
    "--output",
    type=PathName(path_type=Path),
    metavar="FILE",
    help="Also write the figures of all texts as JSON to FILE; - is standard output.",
)
@click.option(
    "--max-perplexity",
    type=FiniteNumber(1),
    metavar="X",
    help="Exit with 3 if the perplexity of a text, OOVs included, is above X.  [default: no limit]",
)
@report_option("figures, frequency bands, calibration and words shaded by surprisal")
@text_format_options
@encoding_options
@message_options
@pass_messages
def evaluate(
    messages: Messages,
    /,
    files: tuple[str, ...],
    models: tuple[str, ...],
    state: State,
    cache: int,
    dynamic: bool,
    dynamic_rate: float | None,
    level: str,
    format: str | None,
    header: bool,
    interval: bool,
    confidence: float | None,
    accuracy_at: tuple[int, ...],
    blank_lines: Literal["drop", "keep"] | None,
    output: Path | None,
    max_perplexity: float | None,
    report_file: Path | None,
    text_format: TextFormat,
    encoding: str,
    errors: str,
) -> None:
    """Measure how well a model predicts each FILE: perplexity, cross-entropy, bits per character, OOV rate.

    FILE may be an address such as s3://bucket/test.txt (docs/text.md). Each line is a sentence. With --field,
    FILE is JSON Lines; with --column, it is CSV or TSV. Without FILE, the text is read from standard input; with
    --level sentence or word, each line is scored as soon as it arrives. With several -m, each model scores every
    FILE. If -m is not given and the first FILE is the folder of a model, it names the model.

    Of a model that fills gaps, each word is hidden in turn and scored by all other words of its line. The figures
    are then pseudo-perplexities, which do not compare with perplexities; formats are table, tsv and jsonl.

    docs/metrics.md defines every figure. The formats kenlm and srilm print log10 probabilities.

    \b
    Example:
        lmctl eval -m models/news test.txt other-domain.txt
        lmctl eval -m models/news@6 -m models/news@7 test.txt
        lmctl eval -m models/news --format kenlm < test.txt
    """
    check_cache(cache, state)
    check_dynamic(dynamic, dynamic_rate, state, has_ranks=bool(accuracy_at))
    if confidence is not None and not interval:
        raise click.UsageError("--confidence needs --interval")
    from lmctl.store.naming import default_model, names_model

    if files and not models and names_model(files[0]):
        models, files = files[:1], files[1:]
    check_files(files)
    check_different(models)
    if len(models) > 1:
        _check_comparison(files, format)

    from lmctl.cli.activity import showing_activity
    from lmctl.cli.output import STDOUT
    from lmctl.cli.reports import write_figures
    from lmctl.cli.scores import Scored, chosen_format, make_printer
    from lmctl.files import check_writable
    from lmctl.jobs.evaluating import evaluate_text
    from lmctl.query.bootstrap import Resampling
    from lmctl.query.model import load_named
    from lmctl.text.sources import STDIN, check_sources

    # -o and --report have figures that the format has not.
    _check_is_printed(
        chosen_format(format),
        level,
        interval=interval and output is None,
        accuracy=bool(accuracy_at) and output is None and report_file is None,
    )
    names = files or (STDIN,)
    check_sources(names)
    if output is not None and str(output) != STDOUT:
        check_writable(output)
    report = _begun_report(report_file)
    models = models or (default_model(),)
    opened = {model: load_named(model, cache=cache) for model in models}
    if dynamic:
        follow(messages, opened.values(), dynamic_rate)
    # A progress line cannot be redrawn between rows that scroll.
    messages = replace(messages, live=messages.live and (level == "summary" or not sys.stdout.isatty()))
    if any(model.gap_model is not None for model in opened.values()):
        from lmctl.cli.eval_gaps import check_gap_options, evaluate_gap_models

        check_gap_options(opened, format, state, blank_lines, max_perplexity, interval=interval)
        of_gaps = evaluate_gap_models(
            messages,
            opened,
            names,
            level=level,
            format=format,
            header=header,
            accuracy_at=accuracy_at,
            output=output,
            encoding=encoding,
            errors=errors,
            text_format=text_format,
            report=report,
        )
        if report is not None:
            report.finish(opened, of_gaps)
        return
    printer = make_printer(format, level, header=header)
    results = []
    with showing_activity(messages, "scoring"):
        for model, name in ((model, name) for name in names for model in models):
            on_sentence: Callable[[SentenceScore], object] = partial(printer.sentence, model, name)
            figures = evaluate_text(
                opened[model],
                name,
                state=state,
                blank_lines=blank_lines or BLANK_LINES.get(format or ""),
                accuracy_at=accuracy_at,
                encoding=encoding,
                errors=errors,
                text_format=text_format,
                interval=Resampling(confidence or CONFIDENCE) if interval else None,
                # Dynamic evaluation computes the probabilities of the text alone.
                top_answers=report is not None and not dynamic,
                on_sentence=report.listening(opened[model], on_sentence)
                if report is not None
                else on_sentence
                if printer.reads_sentences
                else None,
                # The program that sends the lines may wait for the result of one before it sends the next.
                on_pause=None if level == "summary" else sys.stdout.flush,
            )
            results.append(Scored(model, name, figures))
            printer.text(results[-1])
    printer.end(results)
    if output is not None:
        write_figures(output, {model: opened[model].bundle.folder for model in models}, results)
    if report is not None:
        report.finish(opened, results)
    _check_perplexities(results, max_perplexity)


def _check_perplexities(results: list[Scored[Figures]], most: float | None) -> None:
    """End with an error if the perplexity of a text is above --max-perplexity."""
    has_several = len({scored.model for scored in results}) > 1
    for model, name, figures in results:
        if most is not None and not figures.perplexity <= most:
            of_model = f" under {model}" if has_several else ""
            raise QualityGateError(
                f"{name}: perplexity {figures.perplexity:.6f}{of_model} is above --max-perplexity {most:.10g}"
            )


def _begun_report(path: Path | None) -> TextReport | None:
    """The report of the texts, after the check that it can be written; None: none is wanted."""
    if path is None:
        return None
    from lmctl.jobs.reporting.text_report import TextReport

    return TextReport(path)


def _check_is_printed(format: str, level: str, *, interval: bool, accuracy: bool) -> None:
    """Refuse figures that would be computed and not printed.

    Args:
        format: one of `FORMATS`.
        level: summary, sentence or word.
        interval: whether an interval is to be printed.
        accuracy: whether accuracies are to be printed; rows of words have the rank.
    """
    for option, figure, is_asked, lacking in (
        ("--interval", "interval", interval, ("sentence", "word")),
        ("--accuracy-at", "accuracy", accuracy, ("sentence",)),
    ):
        if is_asked and format in ("kenlm", "srilm"):
            raise click.UsageError(f"--format {format} has no {figure}; with {option} use table, tsv or jsonl")
        if is_asked and format == "tsv" and level in lacking:
            raise click.UsageError(
                f"--level {level} has no {figure} in tsv; with {option} use --level summary, or table or jsonl"
            )


def _check_comparison(files: tuple[str, ...], format: str | None) -> None:
    """Refuse several models if the text can be read only once, or if the format does not name the model."""
    if not files or "-" in files:
        raise click.UsageError("standard input can be read only once; give FILE to compare models")
    if format in ("kenlm", "srilm"):
        raise click.UsageError(
            f"--format {format} does not name the model; with several -m use table, tsv or jsonl"
        )
