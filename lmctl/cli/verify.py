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
    """Check the size and hash of each file of a model, its vocabulary, and the shapes of its weights.

    If the model is sound, `MODEL: ok` is printed. Else a message names the file and what is wrong with it, and the
    exit code is 65. MODEL is the folder of a model, MODEL@6 for its generation 6, or the folder of a bundle. By
    default it is $LMCTL_MODEL, else the only model under ./models.

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
