"""`lmctl report`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from lmctl.cli.options import message_options, model_argument, pass_messages
from lmctl.cli.parameters import PathName

if TYPE_CHECKING:
    from lmctl.cli.output import Messages


@click.command()
@model_argument
@click.option(
    "-o",
    "--output",
    required=True,
    type=PathName(path_type=Path),
    metavar="FILE.html",
    help="The page; a file of this name is replaced; - is standard output.",
)
@message_options
@pass_messages
def report(messages: Messages, /, model: str | None, output: Path) -> None:
    """Write all that is known of a model as one page for a browser.

    The page shows what the model was trained on, the curves of training, n-grams, network, mixture and cache side
    by side, perplexity by frequency, calibration, words shaded by surprisal, the best and the worst predictions,
    the generations, the runs, the configuration, and the command that trains it again. Parts that a model does
    not have are left out. The page loads nothing and has no scripts (docs/reports.md).

    MODEL is the folder of a model, MODEL@6 for its generation 6, or the folder of a bundle. By default it is
    $LMCTL_MODEL, else the only model under ./models. It needs the extra lmctl[report].

    \b
    Example:
        lmctl report models/news -o news.html
    """
    from lmctl.cli.activity import showing_activity
    from lmctl.cli.output import STDOUT, echo
    from lmctl.jobs.reporting.model_report import model_report, write_model_report

    with showing_activity(messages, "reading the model"):
        if str(output) != STDOUT:
            write_model_report(model, output)
            return
        page = model_report(model)
    echo(page.decode().removesuffix("\n"))
