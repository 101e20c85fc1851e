"""`lmctl export`."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from lmctl import families
from lmctl.cli.options import message_options, model_argument, pass_messages
from lmctl.cli.parameters import PathName
from lmctl.errors import joined

if TYPE_CHECKING:
    from lmctl.cli.output import Messages


def _families_of_formats() -> str:
    """`arpa: models of family ngram; ...`."""
    formats = families.export_formats().items()
    return "; ".join(f"{format}: models of family {joined(names, 'or')}" for format, names in formats) + "."


@click.command()
@model_argument
@click.option(
    "--to",
    "format",
    type=click.Choice(list(families.export_formats())),
    required=True,
    help=f"Format of the file. {_families_of_formats()}",
)
@click.option(
    "-o",
    "--output",
    default="-",
    type=PathName(),
    metavar="FILE",
    help="File to write; it is compressed if its name ends in .gz, .bz2 or .xz.  [default: -, standard output]",
)
@click.option(
    "--unknown",
    metavar="WORD",
    default="<unk>",
    show_default=True,
    help="Spelling of the unknown word in the file; pocketsphinx reads only '<UNK>'.",
)
@message_options
@pass_messages
def export(messages: Messages, /, model: str | None, format: str, output: str, unknown: str) -> None:
    """Write a model in a format that other programs read.

    arpa is the text format of n-gram models that KenLM, SRILM and IRSTLM read. The context `</s>`, from which a
    sentence starts, is written as `<s>`. Probabilities are log10; -99 stands for a probability of 0. If these
    programs would misread a word, such as `<UNK>`, its first character is written as \\xNN; `lmctl import` reads
    it back.

    MODEL is the folder of a model, MODEL@6 for its generation 6, or the folder of a bundle. By default it is
    $LMCTL_MODEL, else the only model under ./models.

    \b
    Example:
        lmctl export models/counts --to arpa -o counts.arpa.gz
        lmctl export models/counts --to arpa | build_binary /dev/stdin counts.bin
    """
    if output == "-" and sys.stdout.isatty():
        raise click.UsageError("standard output is a terminal; write to a file with -o, or to a pipe")
    from lmctl.cli.activity import showing_activity
    from lmctl.jobs.export import export as job

    with showing_activity(messages, "opening"):
        job(model, format, output, unknown)
