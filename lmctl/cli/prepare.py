"""`lmctl prepare`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from lmctl.cli.completion import complete_files
from lmctl.cli.key_options import given_keys, text_options
from lmctl.cli.options import (
    configuration_options,
    header_option,
    message_options,
    pass_messages,
    scheduler_option,
)
from lmctl.cli.parameters import PathName

if TYPE_CHECKING:
    from lmctl.cli.output import Messages


@click.command()
@click.argument(
    "inputs", nargs=-1, required=True, type=PathName(), metavar="INPUT...", shell_complete=complete_files
)
@click.option(
    "-o",
    "--output",
    type=PathName(path_type=Path),
    metavar="DIR",
    help="Folder of the prepared corpus; it is made if it is missing.",
)
@click.option(
    "--stdout",
    is_flag=True,
    help="Print the segmented text, one line for each line of INPUT, and write no corpus.",
)
@click.option("--json", "as_json", is_flag=True, help="Print the summary of the corpus as one JSON object.")
@header_option
@text_options
@scheduler_option("Do the work of --jobs")
@configuration_options
@message_options
@pass_messages
def prepare(
    messages: Messages,
    /,
    inputs: tuple[str, ...],
    output: Path | None,
    stdout: bool,
    as_json: bool,
    header: bool,
    jobs: int | None,
    scheduler: str | None,
    config_files: tuple[str, ...],
    assignments: tuple[str, ...],
    **flags: object,
) -> None:
    """Segment texts, choose their vocabulary, and write them as ids, for `lmctl train DIR`.

    INPUT is a file (.gz, .bz2, .xz and .zst are decompressed), an address such as s3://bucket/news.txt or - for
    standard input; each line is a sentence. With --field, it is JSON Lines; with --column, it is CSV or TSV
    (docs/text.md).

    \b
    Example:
        lmctl prepare news.txt.gz -o prepared/news --vocab-size 30000
        lmctl prepare s3://texts/news.txt.gz -o prepared/news
        lmctl prepare --stdout --segmenter jieba zh.txt > zh.words.txt
    """
    from lmctl.cli.progress import reading_progress
    from lmctl.cli.reports import corpus_summary
    from lmctl.config import read_settings
    from lmctl.jobs import prepare as job

    config = read_settings(config_files, assignments, given_keys(flags)).resolve()
    if stdout:
        if output is not None:
            raise click.UsageError("--stdout prints text and -o writes a corpus; use one of them")
        # The environment variable may be set for other commands.
        source = click.get_current_context().get_parameter_source("scheduler")
        asked = scheduler if source is click.core.ParameterSource.COMMANDLINE else None
        given = {"--json": as_json or None, "--jobs": jobs, "--scheduler": asked, **_of_corpus(flags)}
        for option, value in given.items():
            if value is not None:
                raise click.UsageError(
                    f"{option} does not change the segmented text that --stdout prints; leave {option} out"
                )
        for tokens, goes_on in job.segment(inputs, config.text):
            sys.stdout.write(" ".join(tokens) + (" " if goes_on else "\n"))
        return
    if output is None:
        raise click.UsageError("missing -o DIR (or --stdout to print segmented text)")
    with reading_progress(messages, inputs) as on_progress:
        corpus = job.prepare(inputs, output, config, jobs=jobs or 0, scheduler=scheduler, on_progress=on_progress)
    corpus_summary(corpus.record, as_json, header=header)


def _of_corpus(flags: dict[str, object]) -> dict[str, object]:
    """Return the values of the options that change a corpus but not how text is segmented."""
    keys = {
        "--vocab-size": "vocabulary.size",
        "--min-count": "vocabulary.min_count",
        "--vocab": "vocabulary.file",
        "--valid": "validation.file",
        "--valid-fraction": "validation.fraction",
    }
    return {option: flags[key] for option, key in keys.items()}
