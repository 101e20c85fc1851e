"""`lmctl models`."""

from __future__ import annotations

from pathlib import Path

import click

from lmctl.cli.options import message_options


@click.command()
@click.argument("folder", required=False, type=click.Path(path_type=Path), default=Path("models"), metavar="[DIR]")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object for each generation.")
@message_options
def models(folder: Path, as_json: bool, messages: object) -> None:  # noqa: ARG001
    """List the models in DIR, or the one model DIR, with their generations; the current one is marked with *.

    DIR is ./models by default.

    \b
    Example:
        lmctl models
        lmctl models models/news --json
    """
    from lmctl.cli.reports import generations
    from lmctl.store.generations import list_generations

    generations(list_generations(folder), as_json)
