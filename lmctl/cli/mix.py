"""`lmctl mix`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from lmctl.cli.options import (
    encoding_options,
    message_options,
    output_model_option,
    pass_messages,
    text_format_options,
)
from lmctl.cli.parameters import PathName

if TYPE_CHECKING:
    from pathlib import Path

    from lmctl.cli.output import Messages
    from lmctl.store.figures import State
    from lmctl.text.formats import TextFormat


@click.command()
@click.argument("models", nargs=-1, required=True, type=PathName(), metavar="MODEL MODEL...")
@click.option(
    "--valid",
    required=True,
    type=PathName(),
    metavar="FILE",
    help="Text that the weights are tuned on; - is standard input.",
)
@output_model_option("Folder of the mixture; it is made if it is missing.")
@click.option(
    "--state",
    type=click.Choice(["carry", "reset"]),
    default="carry",
    show_default=True,
    help="How the text of --valid is read: carry: each line continues the one before; reset: each line stands "
    "alone.",
)
@click.option(
    "--json",
    "as_json",
    is_flag=True,
    help="Print weights and perplexities as one JSON object in place of the path.",
)
@text_format_options
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
    text_format: TextFormat,
    encoding: str,
    errors: str,
) -> None:
    """Publish a mixture of MODELs, and print its path.

    The probability that a mixture gives a word is the weighted mean of the probabilities that its members give it.
    The weights are those that make the text of --valid most probable. A member whose weight becomes 0 is left out.

    If the vocabularies of the members differ, the mixture knows the words of all: a word that is new to a member
    gets an equal share of the probability of its `<unk>`. The mixture cuts text as the first MODEL does. A warning
    names members that were trained on text that was cut otherwise. Pieces of words can be mixed only with the same
    pieces. The mixture holds copies of its members. All commands take it like any other model.

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
        mixed = job(
            models,
            output,
            valid,
            state=state,
            encoding=encoding,
            errors=errors,
            text_format=text_format,
        )
    reports.mixed(mixed, as_json)
