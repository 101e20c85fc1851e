"""`lmctl serve`."""

from __future__ import annotations

from pathlib import Path

import click

from lmctl.cli.completion import complete_files
from lmctl.cli.options import message_options, model_option
from lmctl.cli.output import echo
from lmctl.cli.parameters import FiniteNumber, PathName
from lmctl.serve.starting import LOOPBACK, Limits, Serving, start


@click.command()
@model_option
@click.option(
    "--host",
    default=LOOPBACK,
    show_default=True,
    metavar="HOST",
    help="Address to listen on; 0.0.0.0: all addresses of this machine.",
)
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=8000,
    show_default=True,
    metavar="N",
    help="Port to listen on; 0: any free one.",
)
@click.option(
    "--token-file",
    type=PathName(path_type=Path),
    metavar="FILE",
    shell_complete=complete_files,
    help="Answer only requests with the token in FILE, which no other user may read.  [default: answer all]",
)
@click.option(
    "--batch",
    type=click.IntRange(1, 1024),
    default=64,
    show_default=True,
    metavar="N",
    help="Largest number of requests that are answered as one batch.",
)
@click.option(
    "--most-requests",
    type=click.IntRange(1, 100_000),
    default=256,
    show_default=True,
    metavar="N",
    help="Largest number of requests without an answer; others are refused with 503.",
)
@click.option(
    "--most-bytes",
    type=click.IntRange(1, 1 << 30),
    default=1 << 20,
    show_default=True,
    metavar="N",
    help="Largest body of a request; others are refused with 413.",
)
@click.option(
    "--most-seconds",
    type=FiniteNumber(0, 3600, above_low=True),
    default=30.0,
    metavar="T",
    help="Longest time to an answer; then the request is refused with 503.  [default: 30]",
)
@message_options
def serve(
    model: str | None,
    host: str,
    port: int,
    token_file: Path | None,
    batch: int,
    most_requests: int,
    most_bytes: int,
    most_seconds: float,
) -> None:
    """Answer queries over HTTP, and show a page to try the model on.

    The URL is printed as soon as requests are answered. Open it for the page, and URL/docs for the reference. A
    generation that is published meanwhile is taken over without a pause. SIGTERM or Ctrl-C ends the server after
    the requests that have come are answered. It needs lmctl[serve]; docs/serving.md explains it.

    \b
    Endpoints:
        POST /v1/predict /v1/score /v1/surprisal /v1/fill /v1/generate
        GET  /healthz /metrics /openapi.json

    \b
    Example:
        lmctl serve -m models/news
        curl -H 'Content-Type: application/json' \\
            -d '{"contexts": ["the cat sat on the"]}' \\
            http://127.0.0.1:8000/v1/predict
    """
    limits = Limits(body_bytes=most_bytes, requests=most_requests, seconds=most_seconds)
    start(Serving(model, host, port, token_file, batch, limits), echo)
