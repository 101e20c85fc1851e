"""`lmctl compare`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import click
import msgspec
from click.core import ParameterSource

from lmctl.cli.completion import complete_files, complete_models
from lmctl.cli.dynamic import check_dynamic, dynamic_rate_option, follow
from lmctl.cli.options import (
    cache_option,
    check_cache,
    encoding_options,
    header_option,
    json_option,
    message_options,
    models_flag,
    pass_messages,
    report_option,
    state_option,
    text_format_options,
)
from lmctl.cli.parameters import LONGEST_QUOTE, FiniteNumber, PathName, ranks_or_none, unit_of_resamples
from lmctl.cli.queries import check_different
from lmctl.records import shortened

if TYPE_CHECKING:
    from pathlib import Path

    from lmctl.cli.output import Messages
    from lmctl.jobs.reporting.comparison_report import ComparisonReport
    from lmctl.query.compared import Comparison, TokenDifference
    from lmctl.query.units import Unit
    from lmctl.store.figures import State
    from lmctl.text.formats import TextFormat

FORMATS = ("table", "tsv", "jsonl")
LEVELS = ("summary", "group", "word")


@click.command()
@click.argument("files", nargs=-1, type=PathName(), metavar="[MODEL]... FILE...", shell_complete=complete_files)
@models_flag(
    help="A model to compare: its folder, MODEL@6 for its generation 6, or folder of a bundle; repeatable. "
    "[default: those that stand before the first FILE]",
)
@state_option
@cache_option
@click.option(
    "--dynamic",
    "dynamic_models",
    multiple=True,
    type=PathName(),
    metavar="MODEL",
    shell_complete=complete_models,
    help="A further model to compare, whose network goes on learning from the text while it scores it (dynamic "
    "evaluation); it may also be named without; needs --state carry and the extra lmctl[train]; repeatable.",
)
@dynamic_rate_option
@click.option(
    "--level",
    type=click.Choice(LEVELS),
    help="summary: a result for each model; group: also for each group of tokens; word: also the tokens that "
    "differ most. tsv has the rows of this level alone.  [default: word; for tsv summary]",
)
@click.option(
    "--format",
    type=click.Choice(FORMATS),
    help="table: for a terminal; tsv: tab-separated; jsonl: a JSON object on each line.  [default: table on a "
    "terminal, else tsv]",
)
@json_option
@header_option
@click.option(
    "--tokens",
    type=click.IntRange(min=0),
    metavar="N",
    help="With --level word: number of tokens that are printed for each model.  [default: 100; for table 10]",
)
@click.option(
    "--accuracy-at",
    callback=ranks_or_none,
    default="1",
    show_default=True,
    metavar="K,K,...",
    help="Report the share of tokens that were among the K most probable ones; none: report no accuracy, which is "
    "several times as fast, and is so with --dynamic.",
)
@click.option(
    "--blank-lines",
    type=click.Choice(["drop", "keep"]),
    help="Lines without words: drop: skip them; keep: score the </s> that ends each.  [default: as in training]",
)
@click.option(
    "--unit",
    callback=unit_of_resamples,
    default="line",
    show_default=True,
    metavar="UNIT",
    help="What is drawn to compute intervals: line; document: the lines between blank lines; N: N lines one after "
    "the other, as lines of one article are alike.",
)
@click.option(
    "--confidence",
    type=FiniteNumber(0, 100, above_low=True),
    default=95.0,
    show_default=True,
    metavar="PERCENT",
    help="Confidence of the intervals.",
)
@click.option(
    "--samples",
    type=click.IntRange(1, 10_000_000),
    default=10_000,
    show_default=True,
    metavar="N",
    help="Number of resamples.",
)
@click.option(
    "--seed",
    type=click.IntRange(0, 2**32 - 1),
    default=1,
    show_default=True,
    metavar="N",
    help="Seed of the resamples.",
)
@report_option("figures, differences, groups as plots and the tokens that differ most")
@text_format_options
@encoding_options
@message_options
@pass_messages
def compare(
    messages: Messages,
    /,
    files: tuple[str, ...],
    models: tuple[str, ...],
    state: State,
    cache: int,
    dynamic_models: tuple[str, ...],
    dynamic_rate: float | None,
    level: str | None,
    format: str | None,
    header: bool,
    tokens: int | None,
    accuracy_at: tuple[int, ...],
    blank_lines: Literal["drop", "keep"] | None,
    unit: Unit,
    confidence: float,
    samples: int,
    seed: int,
    report_file: Path | None,
    text_format: TextFormat,
    encoding: str,
    errors: str,
) -> None:
    """Compare models on each FILE: figures, whether a difference is more than chance, and where they differ.

    FILE may be an address such as s3://bucket/test.txt (docs/text.md). Each line is a sentence. With --field,
    FILE is JSON Lines; with --column, it is CSV or TSV. Two models or more stand before the first FILE, or are
    named with -m. The first model is the one that the others are compared with. Models of the same words are
    compared by perplexity, others by bits per character. Models that fill gaps are refused.

    Intervals and p-values are computed by drawing the lines again (paired bootstrap). p_holm is the p-value,
    corrected for the number of models that are compared with the first one (Holm's method). Groups of tokens are
    made by frequency (count in the training text of the first model), position in the sentence, frequency and
    length, and by the longest n-gram of the training text that ends in the token, if a model has n-grams.

    With --dynamic, a model is compared as `lmctl eval --dynamic` scores it; its name is MODEL (dynamic). So a
    model can be compared with itself.

    \b
    Columns of tsv, and keys of jsonl (docs/comparing.md defines them):
        summary: file measure tokens oov_rate characters perplexity
            perplexity_excluding_oov bits_per_character accuracy@K low high
            difference difference_low difference_high p p_holm confidence
            samples seed unit units tokens_per_second bytes parameters
            vocabulary_size dynamic_rate model
        group: file by group tokens bits bits_per_token difference_bits
            difference_low difference_high units share model
        word: file line position before word after bits baseline_bits
            difference_bits model
    jsonl also has level, and in a summary baseline, reason and notes.

    \b
    Example:
        lmctl compare models/counts models/network test.txt
        lmctl compare -m models/news@6 -m models/news@7 --unit 20 test.txt
        lmctl compare models/news --dynamic models/news --state carry test.txt
    """
    check_cache(cache, state)
    is_asked = click.get_current_context().get_parameter_source("accuracy_at") is ParameterSource.COMMANDLINE
    check_dynamic(bool(dynamic_models), dynamic_rate, state, has_ranks=is_asked and bool(accuracy_at))
    from lmctl.cli.activity import showing_activity
    from lmctl.cli.comparisons import make_printer
    from lmctl.query.bootstrap import Resampling
    from lmctl.query.common_pieces import TextSource
    from lmctl.query.comparison import compare_models
    from lmctl.query.model import load_named
    from lmctl.text.sources import check_sources

    models, files = _models_and_files(models, files, dynamic_models)
    check_sources(files)
    report = _begun_report(report_file)
    printer = make_printer(format, level, header=header)
    if tokens and not printer.shows_words:
        raise click.UsageError("--tokens needs --level word")
    printed_tokens = printer.most_tokens if tokens is None else tokens
    opened = {model: load_named(model, cache=cache) for model in models}
    following = {f"{model} (dynamic)": load_named(model, cache=cache) for model in dynamic_models}
    if following:
        follow(messages, following.values(), dynamic_rate)
        opened |= following
    for file in files:
        with showing_activity(messages, "scoring"):
            comparison = compare_models(
                opened,
                TextSource(file, encoding, errors, text_format),
                state=state,
                blank_lines=blank_lines,
                accuracy_at=() if dynamic_models else accuracy_at,
                unit=unit,
                resampling=Resampling(confidence, samples, seed),
                group_intervals=printer.shows_groups or report is not None,
                tokens=printed_tokens if report is None else max(printed_tokens, report.most_tokens),
            )
        printer.print(_with_tokens(comparison, printed_tokens))
        if report is not None:
            report.add(comparison)
    if report is not None:
        report.finish(opened)


def _begun_report(path: Path | None) -> ComparisonReport | None:
    """The report of the comparison, after the check that it can be written; None: none is wanted."""
    if path is None:
        return None
    from lmctl.jobs.reporting.comparison_report import ComparisonReport

    return ComparisonReport(path)


def _with_tokens(comparison: Comparison, most: int) -> Comparison:
    """The comparison with at most so many tokens of each model."""
    kept: list[TokenDifference] = []
    for difference in comparison.differences:
        kept += [token for token in comparison.tokens if token.model == difference.model][:most]
    return msgspec.structs.replace(comparison, tokens=kept)


def _models_and_files(
    models: tuple[str, ...], files: tuple[str, ...], dynamic: tuple[str, ...]
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the names of the models and of the texts. Models may also stand before the first text.

    Args:
        models: those that are named with -m.
        files: the arguments.
        dynamic: models that follow the text, which are compared, too.
    """
    from lmctl.store.naming import names_model

    first_text = next((place for place, name in enumerate(files) if not names_model(name)), len(files))
    models, files = models + files[:first_text], files[first_text:]
    if len(models) + len(dynamic) < 2:
        alone = (*models, *(f"{name} with --dynamic" for name in dynamic))
        found = f"got {alone[0]} alone" if alone else "got none"
        no_model = f"; {shortened(files[0], LONGEST_QUOTE)} is no model" if files else ""
        raise click.UsageError(f"a comparison needs two models or more, {found}{no_model}")
    check_different(models)
    check_different(dynamic)
    if not files:
        raise click.UsageError("no FILE given; expected a text to compare the models on")
    if "-" in files:
        raise click.UsageError("standard input can be read only once; give FILE to compare models")
    return models, files
