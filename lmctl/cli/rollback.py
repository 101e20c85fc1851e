"""`lmctl rollback`."""

from __future__ import annotations

from pathlib import Path

import click

from lmctl.cli.options import message_options


@click.command()
@click.argument("model", type=click.Path(path_type=Path), metavar="MODEL")
@click.option(
    "--to", "number", type=click.IntRange(min=1), metavar="N", help="Which generation.  [default: the one before]"
)
@message_options
def rollback(model: Path, number: int | None, messages: object) -> None:  # noqa: ARG001
    """Make an older generation of MODEL current again, and print its path.

    It stays current while `lmctl train` is run on the same texts with the same settings; once these have changed,
    or with --force, training publishes again.

    \b
    Example:
        lmctl rollback models/news
        lmctl rollback models/news --to 6
    """
    from lmctl.cli.output import echo
    from lmctl.jobs.rollback import roll_back

    echo(str(roll_back(model, number)))
