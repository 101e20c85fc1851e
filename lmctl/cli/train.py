"""`lmctl train`."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from lmctl.cli.key_options import family_key_options, given_keys, key_option, text_options
from lmctl.cli.options import (
    configuration_options,
    message_options,
    pass_messages,
    report_option,
    scheduler_option,
)
from lmctl.cli.parameters import PathName
from lmctl.cli.run_options import corpus_options, lock_option, log_json_option, nice_option

if TYPE_CHECKING:
    from lmctl.cli.output import Messages
    from lmctl.jobs.train.resume import ResumePolicy
    from lmctl.jobs.watching.events import OnRunEvent
    from lmctl.store.lock import LockPolicy


@click.command()
@corpus_options
@key_option("preset", "--preset")
@family_key_options
@key_option("training.epochs", "--epochs")
@key_option("training.learning_rate", "--learning-rate")
@key_option("training.batch_size", "--batch-size")
@key_option("training.time_limit", "--time-limit")
@key_option("training.init_from", "--init-from")
@key_option("training.grow_vocabulary", "--grow-vocabulary")
@key_option("training.seed", "--seed")
@key_option("device.placement", "--device")
@click.option(
    "--resume",
    type=click.Choice(["auto", "never", "require"]),
    default="auto",
    show_default=True,
    help="What to do if a run was cut off: auto: continue from its checkpoint if text and settings are unchanged, "
    "else start over; never: start over; require: continue, or fail if that is impossible.",
)
@lock_option("training")
@key_option("publishing.gate", "--gate/--no-gate")
@click.option(
    "--force",
    is_flag=True,
    help="Train even if nothing has changed since the last run, or if the text has shrunk.",
)
@click.option("--dry-run", is_flag=True, help="Print the resolved configuration and the plan; train nothing.")
@click.option(
    "--json", "as_json", is_flag=True, help="Print a summary of the run as one JSON object in place of the path."
)
@log_json_option("each event of the run")
@click.option(
    "--curve-points",
    type=click.IntRange(min=0, max=1000),
    default=0,
    metavar="N",
    help="Divide the training into N parts, and score the beginning of the validation text (20,000 tokens) after "
    "each of them but the last; --log-json has the scores.  [default: 0, only after each epoch]",
)
@click.option(
    "--status-file",
    type=PathName(path_type=Path),
    metavar="FILE.prom",
    help="Write metrics of the run to FILE.prom for the node exporter of Prometheus; needs lmctl[train].",
)
@click.option(
    "--tensorboard",
    type=PathName(path_type=Path),
    metavar="DIR",
    help="Write the figures of the run to an event file in DIR, for TensorBoard; needs lmctl[train].",
)
@report_option("the model")
@click.option(
    "--workers",
    metavar="HOST:PORT,...",
    help="Train on several hosts: each runs this command on the same prepared CORPUS, with the addresses of all "
    "workers. The first is the chief, which saves and publishes. tf-config and slurm: take addresses and number "
    "from TF_CONFIG or from a Slurm step (docs/cluster.md).",
)
@click.option(
    "--worker",
    type=click.IntRange(min=0),
    metavar="N",
    help="The number of this process in --workers, from 0.",
)
@key_option("device.threads", "--threads")
@nice_option
@text_options
@scheduler_option("Do the work of --jobs")
@configuration_options
@message_options
@pass_messages
def train(
    messages: Messages,
    /,
    corpus: tuple[str, ...],
    output: Path | None,
    resume: ResumePolicy,
    lock: LockPolicy,
    force: bool,
    dry_run: bool,
    as_json: bool,
    log_json: str | None,
    curve_points: int,
    status_file: Path | None,
    tensorboard: Path | None,
    report_file: Path | None,
    workers: str | None,
    worker: int | None,
    nice: int,
    jobs: int | None,
    scheduler: str | None,
    config_files: tuple[str, ...],
    assignments: tuple[str, ...],
    **flags: object,
) -> None:
    """Train a model on CORPUS, publish it as a new generation, and print its path.

    CORPUS is one text or several, or one folder that `lmctl prepare` wrote. A text is a file (.gz, .bz2, .xz
    and .zst are decompressed), an address such as s3://bucket/news.txt or - for standard input; each line is a
    sentence. With --field, it is JSON Lines; with --column, it is CSV or TSV (docs/text.md).

    The current generation answers queries until the new one is complete; then it is kept as an older generation.
    If texts, settings and the version of lmctl have not changed since the current generation was trained, nothing
    is trained, and the path of the current generation is printed.

    If a signal, a kill or a power cut ends a run, the same command continues it from its last checkpoint. The
    model is then byte for byte the one of a run without interruption.

    With --init-from, training starts from the weights of an older model. Each word keeps its vector, even if its
    id has changed. Text that this model has read is read less often than new text. The run reports the words that
    are new.

    \b
    Example:
        lmctl train corpus.txt
        lmctl train news.txt -o models/news -c news.yaml --set model.layers=2
        lmctl train news.txt -o models/news --init-from current --grow-vocabulary
    """
    from lmctl.cli import reports
    from lmctl.cli.activity import showing_activity
    from lmctl.cli.training_display import TrainingDisplay
    from lmctl.config import read_settings
    from lmctl.jobs.reporting.model_report import check_report, write_model_report
    from lmctl.jobs.train import run as job
    from lmctl.jobs.train.assisting import assist
    from lmctl.jobs.train.training_job import Policies
    from lmctl.jobs.watching.event_log import STANDARD_ERROR, EventLog
    from lmctl.jobs.watching.events import to_all
    from lmctl.jobs.watching.status_file import StatusFile
    from lmctl.jobs.watching.tensorboard import TensorBoardLog
    from lmctl.training.hosts.cluster import cluster_of

    if dry_run and any(asked is not None for asked in (log_json, status_file, tensorboard, report_file)):
        raise click.UsageError(
            "--dry-run starts no run; leave out --log-json, --status-file, --tensorboard and --report"
        )
    if curve_points and log_json is None and not dry_run:
        raise click.UsageError("--curve-points needs --log-json, which has the scores")
    # Threads and processes inherit the niceness, so it is set before any is started.
    os.nice(nice)
    settings = read_settings(config_files, assignments, given_keys(flags))
    cluster = cluster_of(workers, worker, os.environ)
    if dry_run:
        reports.plan(job.plan(corpus, output, settings, jobs=jobs or 0), as_json)
        return
    policies = Policies(
        resume=resume,
        lock=lock,
        force=force,
        jobs=jobs or 0,
        scheduler=scheduler,
        verbose=messages.third_parties,
        curve_points=curve_points,
        cluster=cluster,
    )
    if cluster is not None and not cluster.is_chief:
        with showing_activity(messages, "starting"):
            assist(corpus, output, settings, policies)
        return
    listeners: list[OnRunEvent] = [EventLog(log_json)] if log_json is not None else []
    if status_file is not None:
        listeners.append(StatusFile(status_file))
    if tensorboard is not None:
        listeners.append(TensorBoardLog(tensorboard))
    if report_file is not None:
        check_report(report_file)
    # A progress line cannot be redrawn between the events on standard error.
    messages = replace(messages, live=messages.live and log_json != STANDARD_ERROR)
    with TrainingDisplay(messages) as display:
        trained = job.train(
            corpus,
            output,
            settings,
            policies,
            to_all(display.on_event, *listeners),
        )
    display.finish(trained)
    # The path comes first: the model is published, also if the report cannot be written.
    reports.trained(trained, as_json)
    if report_file is not None:
        with showing_activity(messages, "reading the model"):
            write_model_report(trained.published, report_file)
