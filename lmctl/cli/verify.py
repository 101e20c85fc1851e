"""`lmctl verify`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from lmctl.cli.options import message_options, model_argument, pass_messages

if TYPE_CHECKING:
    from lmctl.cli.output import Messages


@click.command()
@model_argument
@message_options
@pass_messages
def verify(messages: Messages, /, model: str | None) -> None:
    """Check all of a model: every file's size and hash, the vocabulary, the shapes of the weights.

    Prints `MODEL: ok`, or says what is wrong with which file and exits with 65.

    \b
    Example:
        lmctl verify models/news
    """
    from lmctl.cli import tsv
    from lmctl.cli.activity import showing_activity
    from lmctl.cli.output import echo
    from lmctl.query.model import verify_model
    from lmctl.store.naming import find_bundle

    folder = find_bundle(model)
    with showing_activity(messages, "opening"):
        verify_model(folder)
    echo(f"{tsv.field(folder)}: ok")
