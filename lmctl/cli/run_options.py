"""Options of commands that train: `train` and `tune`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from lmctl.cli.completion import complete_files
from lmctl.cli.parameters import PathName

if TYPE_CHECKING:
    from collections.abc import Callable

F = TypeVar("F", bound="Callable[..., Any]")


def corpus_options(command: F) -> F:
    """Add the argument CORPUS, and -o, the folder of the model."""
    options = (
        click.argument(
            "corpus",
            nargs=-1,
            required=True,
            type=PathName(),
            metavar="CORPUS...",
            shell_complete=complete_files,
        ),
        click.option(
            "-o",
            "--output",
            type=PathName(path_type=Path),
            metavar="MODEL",
            help="Folder of the model; it is made if it is missing.  [default: models/<name of the first CORPUS>]",
        ),
    )
    for option in reversed(options):
        command = option(command)
    return command


def lock_option(work: str) -> Callable[[F], F]:
    """Add --lock, given what another run may be doing, such as "training"."""
    return click.option(
        "--lock",
        type=click.Choice(["fail", "wait"]),
        default="fail",
        show_default=True,
        help=f"What to do if another run is {work} this model: fail: exit with 75 at once; wait: start when it "
        "has ended.",
    )


def log_json_option(events: str) -> Callable[[F], F]:
    """Add --log-json, given which events it has, such as "each event of the run"."""
    return click.option(
        "--log-json",
        type=PathName(),
        metavar="FILE",
        help=f"Append {events} to FILE, as a JSON object on a line; - is standard error.",
    )


def nice_option(command: F) -> F:
    """Add --nice."""
    return click.option(
        "--nice",
        type=click.IntRange(0, 19),
        default=0,
        metavar="N",
        help="Add N, from 0 to 19, to the niceness: other processes go first.  [default: 0]",
    )(command)
