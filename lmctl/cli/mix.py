"""`lmctl mix`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from lmctl.cli.options import encoding_options, message_options, output_model_option, pass_messages

if TYPE_CHECKING:
    from pathlib import Path

    from lmctl.cli.output import Messages
    from lmctl.store.figures import State


@click.command()
@click.argument("models", nargs=-1, required=True, metavar="MODEL MODEL...")
@click.option("--valid", required=True, metavar="FILE", help="Text to tune the weights on; - is standard input.")
@output_model_option("The mixture's folder.")
@click.option(
    "--state",
    type=click.Choice(["carry", "reset"]),
    default="carry",
    show_default=True,
    help="carry: every line continues the one before; reset: every line stands alone.",
)
@click.option("--json", "as_json", is_flag=True, help="Print weights and perplexities as one JSON object.")
@encoding_options
@message_options
@pass_messages
def mix(
    messages: Messages,
    /,
    models: tuple[str, ...],
    valid: str,
    output: Path,
    state: State,
    as_json: bool,
    encoding: str | None,
    errors: str | None,
) -> None:
    """Publish a mixture of MODELs, and print its path.

    Its probabilities are means of the members', weighted so that the text of --valid becomes most probable. A
    member without weight is left out. The members must know the same words: train them on one folder that
    `lmctl prepare` wrote. The mixture holds copies of them; it is queried, and evaluated, as any model.

    \b
    Example:
        lmctl prepare news.txt -o corpus
        lmctl train corpus -o models/network
        lmctl train corpus -o models/counts --set model.family=ngram
        lmctl mix models/network models/counts --valid valid.txt -o models/news
    """
    if len(models) < 2:
        raise click.UsageError(f"a mixture needs two models or more, got {len(models)}")
    from lmctl.cli import reports
    from lmctl.cli.activity import showing_activity
    from lmctl.jobs.mix import mix as job

    with showing_activity(messages, "opening"):
        mixed = job(models, output, valid, state=state, encoding=encoding or "utf-8", errors=errors or "strict")
    reports.mixed(mixed, as_json)
