"""`lmctl models`."""

from __future__ import annotations

from pathlib import Path

import click

from lmctl.cli.options import header_option, message_options, model_argument


@click.command()
@model_argument
@click.option(
    "--json",
    "as_json",
    is_flag=True,
    help="Print a JSON object on a line for each generation, in place of the table.",
)
@header_option
@message_options
def models(model: str | None, as_json: bool, header: bool) -> None:
    """List the generations of MODEL, or of all models in a folder.

    MODEL is the folder of a model, or a folder with models in it. By default it is ./models. The current
    generation of a model is marked with *, and with `* pinned` if `lmctl rollback` made it current. If a
    generation cannot be opened, the column of the family says why, such as `damaged` or `older format`, and a
    warning says more.

    \b
    Example:
        lmctl models
        lmctl models models/news --json
    """
    from lmctl.cli.reports import generations
    from lmctl.store.listing import list_generations
    from lmctl.store.naming import DEFAULT_FOLDER

    generations(list_generations(Path(model or DEFAULT_FOLDER)), as_json, header=header)
