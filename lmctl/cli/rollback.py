"""`lmctl rollback`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from lmctl.cli.options import message_options, model_argument, pass_messages

if TYPE_CHECKING:
    from lmctl.cli.output import Messages


@click.command()
@model_argument
@click.option(
    "--to",
    "number",
    type=click.IntRange(min=1),
    metavar="N",
    help="Number of the generation.  [default: the one before the current one]",
)
@message_options
@pass_messages
def rollback(messages: Messages, /, model: str | None, number: int | None) -> None:
    """Make an older generation of MODEL current again, and print its path.

    MODEL is the folder of a model, by default $LMCTL_MODEL, else the only model under ./models. MODEL@6 is the
    same as MODEL --to 6. While texts and settings are unchanged, `lmctl train` trains nothing and the generation
    stays current. If they have changed, or with --force, `lmctl train` publishes a new generation.

    \b
    Example:
        lmctl rollback models/news
        lmctl rollback models/news --to 6
    """
    from lmctl.cli.activity import showing_activity
    from lmctl.cli.output import echo
    from lmctl.jobs.rollback import roll_back
    from lmctl.store.naming import default_model, split_generation

    model = default_model() if model is None else model
    folder, named = split_generation(model)
    if number is not None and named is not None:
        raise click.UsageError(f"{model} and --to {number} both name a generation; use one of them")
    with showing_activity(messages, "checking"):
        place = roll_back(folder, named if number is None else number)
    echo(str(place))
