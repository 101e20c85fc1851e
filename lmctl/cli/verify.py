"""`lmctl verify`."""

from __future__ import annotations

import click

from lmctl.cli.options import message_options, model_argument


@click.command()
@model_argument
@message_options
def verify(model: str | None, messages: object) -> None:  # noqa: ARG001
    """Check all of a model: every file's size and hash, the vocabulary, the shapes of the weights.

    Prints `MODEL: ok`, or says what is wrong with which file and exits with 65.

    \b
    Example:
        lmctl verify models/news
    """
    from lmctl.cli import tsv
    from lmctl.cli.output import echo
    from lmctl.query.model import verify_model
    from lmctl.store.generations import find_bundle

    folder = find_bundle(model)
    verify_model(folder)
    echo(f"{tsv.field(folder)}: ok")
