"""`lmctl info`."""

from __future__ import annotations

import click

from lmctl.cli.options import header_option, message_options, model_argument


@click.command()
@model_argument
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@header_option
@message_options
def info(model: str | None, as_json: bool, header: bool) -> None:
    """Show what a model is: family, sizes, vocabulary, segmenter, corpus, training, metrics.

    MODEL is a model's folder, MODEL@6 for one of its generations, or a bundle; by default $LMCTL_MODEL, else the
    only model under ./models.

    \b
    Example:
        lmctl info models/news
        lmctl info models/news --json | jq .metrics.valid.perplexity
    """
    from lmctl.cli.reports import model_info
    from lmctl.store.naming import open_model

    model_info(open_model(model), as_json, header=header)
