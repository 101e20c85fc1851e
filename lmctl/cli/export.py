"""`lmctl export`."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from lmctl.cli.options import message_options, model_argument, pass_messages

if TYPE_CHECKING:
    from lmctl.cli.output import Messages


@click.command()
@model_argument
@click.option("--to", "format", type=click.Choice(["arpa"]), required=True, help="Which format.")
@click.option(
    "-o",
    "--output",
    default="-",
    metavar="FILE",
    help="The file to write; compressed if its name ends in .gz, .bz2 or .xz.  [default: -, standard output]",
)
@click.option(
    "--unknown",
    metavar="WORD",
    default="<unk>",
    show_default=True,
    help="How the unknown word is written; pocketsphinx reads '<UNK>' only.",
)
@message_options
@pass_messages
def export(messages: Messages, /, model: str | None, format: str, output: str, unknown: str) -> None:  # noqa: ARG001
    """Write an n-gram model as ARPA text, which KenLM, SRILM and IRSTLM read.

    `</s>` as a context, from which a sentence starts, becomes `<s>`; probabilities are log10, and -99 stands for
    one of zero. A word that these programs would misread, such as `<UNK>`, is written with \\xNN, which `lmctl
    import` reads back. MODEL is a model's folder, MODEL@6 for one of its generations, or a bundle; by default
    $LMCTL_MODEL, else the only model under ./models.

    \b
    Example:
        lmctl export models/counts --to arpa -o counts.arpa.gz
        lmctl export models/counts --to arpa | build_binary /dev/stdin counts.bin
    """
    if output == "-" and sys.stdout.isatty():
        raise click.UsageError("standard output is a terminal; name a file with -o, or send it to a program")
    from lmctl.cli.progress import writing_progress
    from lmctl.jobs.export import export_arpa

    with writing_progress(messages, "n-grams") as on_ngrams:
        export_arpa(model, output, unknown, on_ngrams)
