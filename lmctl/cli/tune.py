"""`lmctl tune`."""

from __future__ import annotations

import os
from dataclasses import replace
from typing import TYPE_CHECKING

import click

from lmctl.cli.completion import complete_files
from lmctl.cli.key_options import given_keys, key_option, text_options
from lmctl.cli.options import (
    configuration_options,
    message_options,
    pass_messages,
    report_option,
    scheduler_option,
)
from lmctl.cli.parameters import PathName, TimeSpan
from lmctl.cli.run_options import corpus_options, lock_option, log_json_option, nice_option

if TYPE_CHECKING:
    from pathlib import Path

    from lmctl.cli.output import Messages
    from lmctl.store.lock import LockPolicy


@click.command()
@corpus_options
@click.option(
    "--time-limit",
    required=True,
    type=TimeSpan(),
    metavar="TIME",
    help="Time of the whole run, such as 90s, 50m, 1.5h or 2d: preparing, trials, and the last training.",
)
@click.option(
    "--space",
    type=PathName(),
    metavar="FILE",
    shell_complete=complete_files,
    help="YAML file of configuration keys with ranges in place of values.  [default: a built-in space for the "
    "family and the size of the text]",
)
@click.option(
    "--trials",
    type=click.IntRange(min=1),
    metavar="N",
    help="Largest number of trials, those of earlier runs included.  [default: as many as fit]",
)
@click.option(
    "--at-most",
    multiple=True,
    metavar="LIMIT",
    help="Largest size or query time of the model; repeatable: parameters=5M, bytes=20MB, p50=2ms (median time to "
    "read one more word and rank the next ones).",
)
@click.option(
    "--search",
    type=click.Choice(["tpe", "random"]),
    default="tpe",
    show_default=True,
    help="tpe: choose configurations by the results so far, and cut bad trials off; random: draw them, and train "
    "each to its end.",
)
@click.option("--restart", is_flag=True, help="Remove an earlier study of the model, and begin a new one.")
@key_option("training.time_limit", "--training-time-limit")
@key_option("preset", "--preset")
@key_option("training.seed", "--seed")
@key_option("device.placement", "--device")
@key_option("publishing.gate", "--gate/--no-gate")
@lock_option("tuning")
@click.option(
    "--yaml", "as_yaml", is_flag=True, help="Print the settings of the best trial as YAML in place of the path."
)
@click.option(
    "--json", "as_json", is_flag=True, help="Print a summary of the study as one JSON object in place of the path."
)
@log_json_option("each event of the study and of the last training")
@report_option("the study and the model")
@key_option("device.threads", "--threads")
@nice_option
@text_options
@scheduler_option("Prepare the text, and run a trial on each worker,")
@configuration_options
@message_options
@pass_messages
def tune(
    messages: Messages,
    /,
    corpus: tuple[str, ...],
    output: Path | None,
    time_limit: float,
    space: str | None,
    trials: int | None,
    at_most: tuple[str, ...],
    search: str,
    restart: bool,
    lock: LockPolicy,
    as_yaml: bool,
    as_json: bool,
    log_json: str | None,
    report_file: Path | None,
    nice: int,
    jobs: int | None,
    scheduler: str | None,
    config_files: tuple[str, ...],
    assignments: tuple[str, ...],
    **flags: object,
) -> None:
    """Search for the best configuration for CORPUS within a time, and train and publish it like `lmctl train`.

    Each trial is a run of `lmctl train` in a process of its own, on the same prepared text. The first one is the
    preset. Trials whose validation curve is among the worse half are cut off. The configuration with the lowest
    perplexity on the validation text is trained once more, and passes the gate. Needs lmctl[tune].

    The study is kept in MODEL/tuning. If a signal, a kill or a power cut ends a run, or if more trials are wanted,
    the same command continues it. With --scheduler, trials run on the workers of a cluster at the same time.

    \b
    Example:
        lmctl tune corpus.txt --time-limit 2h
        lmctl tune news.txt --time-limit 8h --at-most p50=2ms --at-most bytes=20MB
        lmctl tune news.txt --time-limit 8h --space space.yaml --preset small
        lmctl tune news.txt --time-limit 8h --scheduler tcp://host:8786
        lmctl tune news.txt --time-limit 8h --report news.html
    """
    from lmctl.cli import reports
    from lmctl.cli.activity import showing_activity
    from lmctl.cli.tuning_display import TuningDisplay
    from lmctl.config import read_settings
    from lmctl.jobs.reporting.model_report import check_report, write_model_report
    from lmctl.jobs.reporting.study import study_sections
    from lmctl.jobs.tune import run as job
    from lmctl.jobs.tune.limits import Limits
    from lmctl.jobs.tune.options import TuneOptions
    from lmctl.jobs.watching.event_log import STANDARD_ERROR, EventLog
    from lmctl.jobs.watching.events import to_all

    if as_yaml and as_json:
        raise click.UsageError("--yaml and --json exclude each other; the JSON object has the YAML")
    # Processes inherit the niceness.
    os.nice(nice)
    settings = read_settings(config_files, assignments, given_keys(flags))
    options = TuneOptions(
        limit_seconds=time_limit,
        space_file=space,
        trials=trials,
        limits=Limits.parse(at_most),
        random=search == "random",
        restart=restart,
        lock=lock,
        jobs=jobs or 0,
        scheduler=scheduler,
        verbose=messages.third_parties,
    )
    if report_file is not None:
        check_report(report_file)
    listeners = [EventLog(log_json)] if log_json is not None else []
    # A table cannot be redrawn between the events on standard error.
    messages = replace(messages, live=messages.live and log_json != STANDARD_ERROR)
    with TuningDisplay(messages) as display:
        tuned = job.tune(corpus, output, settings, options, to_all(display.on_event, *listeners))
    display.finish(tuned)
    # The result comes first: the model is published, also if the report cannot be written.
    reports.tuned(tuned, as_json=as_json, as_yaml=as_yaml)
    if report_file is not None:
        with showing_activity(messages, "reading the model"):
            write_model_report(tuned.trained.published, report_file, study_sections(tuned))
