"""`lmctl rescore`."""

from __future__ import annotations

import itertools
import logging
import sys
from typing import TYPE_CHECKING

import click

from lmctl.cli.completion import complete_files
from lmctl.cli.options import encoding_options, message_options, model_option
from lmctl.cli.parameters import FiniteNumber, PathName
from lmctl.cli.queries import arriving_queries, check_files, only_lines

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from lmctl.query.nbest import NBestFormat
    from lmctl.query.rescoring import Rescored

logger = logging.getLogger(__name__)


@click.command()
@click.argument("file", required=False, type=PathName(), metavar="[FILE|-]", shell_complete=complete_files)
@model_option
@click.option(
    "--input",
    "input_format",
    type=click.Choice(["auto", "moses", "kaldi", "jsonl"]),
    default="auto",
    show_default=True,
    help="moses: id ||| text ||| features ||| score; kaldi: utterance-1 words; jsonl: a JSON object on each line; "
    "auto: by the first line.",
)
@click.option(
    "--weight",
    type=FiniteNumber(),
    metavar="W",
    help="Combine scores: score + W times the natural log probability of the text.  [default: not combined]",
)
@click.option(
    "--word-penalty",
    type=FiniteNumber(),
    metavar="P",
    help="With --weight: add P for each word; a positive number makes longer texts better.  [default: 0]",
)
@click.option(
    "--references",
    type=PathName(),
    metavar="FILE",
    help="Right texts, from which --weight and --word-penalty are tuned; for moses, a line for each id from 0, "
    "else id and text on each line. Needs lmctl[wer]; -v tells the weights.  [default: not tuned]",
)
@click.option(
    "--metric",
    type=click.Choice(["wer", "cer"]),
    help="With --references: the error rate that is minimised: wer: of words; cer: of characters.  [default: wer]",
)
@click.option("--best", is_flag=True, help="Print only the best hypothesis of each list.  [default: all]")
@click.option(
    "--costs",
    type=PathName(),
    metavar="FILE",
    help="For kaldi, with --weight or --references: the costs that the hypotheses came with, id and cost on each "
    "line.  [default: no scores]",
)
@click.option(
    "--id-key", default="id", show_default=True, metavar="KEY", help="For jsonl: the key of the id of a list."
)
@click.option(
    "--text-key", default="text", show_default=True, metavar="KEY", help="For jsonl: the key of the text."
)
@click.option(
    "--score-key", default="score", show_default=True, metavar="KEY", help="For jsonl: the key of the score."
)
@encoding_options
@message_options
def rescore(
    file: str | None,
    model: str | None,
    input_format: str,
    weight: float | None,
    word_penalty: float | None,
    references: str | None,
    metric: str | None,
    best: bool,
    costs: str | None,
    id_key: str,
    text_key: str,
    score_key: str,
    encoding: str,
    errors: str,
) -> None:
    """Add the score of a language model to the hypotheses of n-best lists, and print the lists.

    The lines of FILE, or of standard input, keep their order and their fields. Without --weight, the natural log
    probability of the text is added: for moses as the feature lmctl=, for jsonl as the key lmctl; for kaldi, its
    negative is printed after the id. With --weight, the score of the list is replaced by the combined one, too.

    docs/rescoring.md describes the formats.

    \b
    Example:
        lmctl rescore -m models/news --weight 0.3 nbest.txt > rescored.txt
        lmctl rescore -m models/news --references dev.txt --best dev.nbest
    """
    check_files(() if file is None else (file,))
    for name, given, needed, there in (
        ("--word-penalty", word_penalty is not None, "--weight", weight is not None),
        ("--metric", metric is not None, "--references", references is not None),
    ):
        if given and not there:
            raise click.UsageError(f"{name} needs {needed}")
    if references is not None and weight is not None:
        raise click.UsageError("--references tunes the weight; leave out --weight, or --references")
    from lmctl.query.model import load_named
    from lmctl.query.nbest import format_of, make_format, read_costs, read_references
    from lmctl.query.rescoring import Combination, best_of, rescored, rescored_by_references
    from lmctl.text.reading import read_lines
    from lmctl.text.sources import STDIN, check_sources

    check_sources([file or STDIN, *filter(None, (references, costs))])
    source = "standard input" if file in (None, STDIN) else str(file)
    batches = arriving_queries((), file, encoding=encoding, errors=errors, long_lines="refuse", are_lines=False)
    first, lines = _first_line(itertools.chain.from_iterable(batches))
    name = format_of(first) if input_format == "auto" else input_format
    if costs is not None and name != "kaldi":
        raise click.UsageError(f"--costs is for kaldi; lines of {name} have their scores")
    if costs is not None and weight is None and references is None:
        raise click.UsageError("--costs needs --weight or --references; without them, scores are not combined")
    if name != "jsonl" and (id_key, text_key, score_key) != ("id", "text", "score"):
        raise click.UsageError(f"--id-key, --text-key and --score-key are for jsonl; the lines are {name}")
    format = make_format(
        name,
        source,
        costs=None if costs is None else read_costs(read_lines(costs, encoding=encoding, errors=errors), costs),
        id_key=id_key,
        text_key=text_key,
        score_key=score_key,
    )
    opened = load_named(model)
    combination = None if weight is None else Combination(weight, word_penalty or 0.0)
    scored: Iterable[list[Rescored]] = rescored(opened, format.groups(lines), combination)
    if references is not None:
        lines_of_references = read_lines(references, encoding=encoding, errors=errors)
        texts = read_references(only_lines(lines_of_references, references), references, name)
        scored, found, rate = rescored_by_references(
            opened, format.groups(lines), texts, characters=metric == "cer"
        )
        logger.info(
            "--weight %g --word-penalty %g: %s %.2f %%",
            found.weight,
            found.word_penalty,
            metric or "wer",
            100 * rate,
        )
    for group in scored:
        shown = [best_of(group)] if best else group
        sys.stdout.write("".join(f"{_line(format, one, best)}\n" for one in shown))
        sys.stdout.flush()


def _line(format: NBestFormat, one: Rescored, best: bool) -> str:
    write = format.best if best else format.written
    return write(one.hypothesis, one.log_prob, one.score)


def _first_line(lines: Iterable[str]) -> tuple[str, Iterator[str]]:
    """The first line that is not blank, and all lines; blank ones before it stay."""
    rest = iter(lines)
    read: list[str] = []
    for line in rest:
        read.append(line)
        if line.strip():
            return line, itertools.chain(read, rest)
    return "", iter(read)
