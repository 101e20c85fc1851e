"""`lmctl info`."""

from __future__ import annotations

import click

from lmctl.cli.options import header_option, message_options, model_argument


@click.command()
@model_argument
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object in place of the table.")
@header_option
@message_options
def info(model: str | None, as_json: bool, header: bool) -> None:
    """Show the family, sizes, vocabulary, segmenter, corpus, training and metrics of a model.

    MODEL is the folder of a model, MODEL@6 for its generation 6, or the folder of a bundle. By default it is
    $LMCTL_MODEL, else the only model under ./models.

    \b
    Example:
        lmctl info models/news
        lmctl info models/news --json | jq .metrics.valid.perplexity
    """
    from lmctl.cli.reports import model_info
    from lmctl.store.naming import open_model

    model_info(open_model(model), as_json, header=header)
