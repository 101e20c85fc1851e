"""`lmctl export`."""

from __future__ import annotations

import sys

import click

from lmctl.cli.options import message_options


@click.command()
@click.argument("model", required=False, metavar="[MODEL]")
@click.option("--to", "format", type=click.Choice(["arpa"]), required=True, help="Which format.")
@click.option(
    "-o",
    "--output",
    default="-",
    metavar="FILE",
    help="Where to; compressed where it ends in .gz, .bz2 or .xz.  [default: -, standard output]",
)
@message_options
def export(model: str | None, format: str, output: str, messages: object) -> None:  # noqa: ARG001
    """Write an n-gram model as ARPA text, which KenLM, SRILM and IRSTLM read.

    `</s>` as a context, from which a sentence starts, becomes `<s>`; probabilities are log10 with nine digits, and
    -99 stands for one of zero. MODEL is a model's folder, MODEL@6 for one of its generations, or a bundle; by
    default $LMCTL_MODEL, else the only model under ./models.

    \b
    Example:
        lmctl export models/counts --to arpa -o counts.arpa.gz
        lmctl export models/counts --to arpa | build_binary /dev/stdin counts.bin
    """
    if output == "-" and sys.stdout.isatty():
        raise click.UsageError("standard output is a terminal; name a file with -o, or send it to a program")
    from lmctl.jobs.arpa import export_arpa

    export_arpa(model, output)
