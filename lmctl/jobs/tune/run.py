"""`lmctl tune`: prepare -> try configurations -> train the best one like `lmctl train`."""

from __future__ import annotations

import contextlib
import time
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

from lmctl import files
from lmctl.config import Settings, seconds_of, settings_to_yaml
from lmctl.config.spaces import built_in_space, read_space
from lmctl.corpus.prepared import PreparedCorpus
from lmctl.deadline import Deadline
from lmctl.errors import UnavailableError, UsageError
from lmctl.jobs.cluster.addresses import check_scheduler
from lmctl.jobs.prepare import prepare
from lmctl.jobs.train.inputs import DECIDED_BY_PREPARATION, describe_corpus, is_prepared_folder
from lmctl.jobs.train.request import describe_request
from lmctl.jobs.train.run import train
from lmctl.jobs.train.signals import listening_for_signals
from lmctl.jobs.train.training_job import Policies, TrainingJob
from lmctl.jobs.tune.folder import StudyRecord, TuningFolder, check_the_same
from lmctl.jobs.tune.options import Tuned
from lmctl.jobs.tune.places import OnePlace
from lmctl.jobs.tune.plan import FULL_TRIALS, TimePlan, plan_study, seconds_reserved
from lmctl.jobs.tune.search import Search, time_text
from lmctl.jobs.tune.study import Study, require_optuna
from lmctl.jobs.tune.trial_process import run_trial
from lmctl.jobs.watching.events import TextRead, ignore_event
from lmctl.jobs.watching.tuning_events import StudyEnded, StudyStarted
from lmctl.store.generations import ModelFolder
from lmctl.store.lock import locked

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from contextlib import AbstractContextManager

    from lmctl.config import Config
    from lmctl.config.spaces import Space, Value
    from lmctl.jobs.cluster.connection import Connection
    from lmctl.jobs.train.request import Request
    from lmctl.jobs.tune.options import TuneOptions
    from lmctl.jobs.tune.places import Places, RunTrial
    from lmctl.jobs.tune.study import Trial
    from lmctl.jobs.watching.tuning_events import ComparedFigure, OnTuningEvent


def tune(
    sources: Sequence[str],
    model: Path | None,
    settings: Settings,
    options: TuneOptions,
    on_event: OnTuningEvent = ignore_event,
    clock: Callable[[], float] = time.monotonic,
    run: RunTrial = run_trial,
) -> Tuned:
    """Search for the configuration with the lowest perplexity on the validation text, and train and publish it.

    Args:
        sources: paths of the texts, or one prepared folder.
        model: the model folder; None: models/<name of the first source>.
        settings: the settings of the user, which all trials share.
        options: the space, the time and the limits.
        on_event: receives the events of the study, and then those of the last training.
        clock: a monotonic clock in seconds.
        run: runs a trial on this machine.

    Returns:
        The result.

    Raises:
        LmctlError: a setting or the space is invalid, the folder has another study, no trial fits into the time or
            the limits, the run was interrupted, the cluster does not answer, its workers cannot run trials, or
            the gate refused the best model.
    """
    began = clock()
    require_optuna()
    here = None if options.scheduler is None else check_scheduler(options.scheduler)
    space = None
    if options.space_file is not None:
        space, settings = read_space(options.space_file, settings)
    job = TrainingJob.of(sources, model, settings, Policies(jobs=options.jobs))
    job.check_inputs()
    job.check_requirements()
    # The number of workers is known only when a scheduler has been asked.
    _check(job.config, options, here or (1 if options.scheduler is None else FULL_TRIALS))
    if space is None:
        # The size of the text chooses the space, but that there is one is known before the text is read.
        built_in_space(settings, 0)
    request = describe_request(job.sources, settings)
    if request is None:
        raise UsageError(
            "a study reads its texts again when it is continued, and standard input cannot be read twice; name "
            "files, or a folder that lmctl prepare wrote"
        )
    folder = TuningFolder(job.model)
    ModelFolder.create(job.model)
    files.make_folder(folder.path)
    with locked(folder.path, options.lock):
        deadline = Deadline((clock() if options.lock == "wait" else began) + options.limit_seconds, clock)
        folder.sweep_clusters()
        with _cluster(options.scheduler, here or 1, folder) as cluster:
            at_once = 1 if cluster is None else len(cluster.workers())
            plan = _plan(job.config, options, at_once)
            record, corpus = _opened(job, folder, request, space, options, plan, cluster, on_event)
            if not len(corpus.valid):
                raise UsageError(
                    "tuning compares configurations on validation text, and the corpus has none; set --valid or "
                    "--valid-fraction"
                )
            shared = _with_preset(_without_preparation(job), record, corpus)
            with (
                listening_for_signals() as signals,
                _study(folder, record, corpus, shared) as study,
                _places(cluster, folder, corpus, job.config, run) as places,
            ):
                _, final_seconds = seconds_reserved(record.plan, 0.0)
                on_event(
                    StudyStarted(
                        model=job.model,
                        space=record.space.name,
                        keys=[each.path for each in record.space.dimensions],
                        decided=len(study.trials()),
                        trial_seconds=record.plan.trial_seconds,
                        final_seconds=record.plan.final_seconds,
                        search_seconds=max(deadline.left() - final_seconds, 0.0),
                        at_once=at_once,
                        figure=_figure(job.config),
                    )
                )
                search = Search(
                    study, record, folder, corpus, shared, deadline, options.trials, signals, on_event, places
                )
                try:
                    best = search.to_the_end()
                except UnavailableError as error:
                    raise UnavailableError(f"{error}; the same command continues the study") from error
                trials, importances = study.trials(), study.importances()
            # A signal may have come since the last trial ended; training the model takes long.
            signals.raise_if_received("continues the study")
        counts = dict(Counter(str(trial.state) for trial in trials))
        explicit = {**job.settings.explicit, "preset": shared.preset, **best.values, **_time_limit(record)}
        yaml = _write_best(folder, explicit, best, len(trials), _figure(job.config))
        on_event(
            StudyEnded(
                trials=counts,
                best=best.number,
                values=best.values,
                perplexity=best.perplexity or 0.0,
                importances=importances,
                settings=folder.best,
            )
        )
        explicit = {**shared.explicit, **best.values, **_time_limit(record)}
        policies = Policies(lock="wait", jobs=options.jobs, verbose=options.verbose)
        trained = train([str(corpus.folder)], job.model, Settings(explicit), policies, on_event, clock)
    first = next((trial for trial in trials if trial.number == 0 and trial.state == "done"), None)
    return Tuned(
        trials=counts,
        best=best.number,
        values=best.values,
        figure=_figure(job.config),
        trial_perplexity=best.perplexity or 0.0,
        first_perplexity=None if first is None else first.perplexity,
        importances=importances,
        settings=str(folder.best),
        yaml=yaml,
        trained=trained,
        study=trials,
    )


def _figure(config: Config) -> ComparedFigure:
    """The figure by which trials are compared."""
    return "perplexity" if config.family.predicts_next_word else "pseudo_perplexity"


@contextlib.contextmanager
def _cluster(scheduler: str | None, fewest: int, folder: TuningFolder) -> Iterator[Connection | None]:
    """The connection to the cluster that the user named, if there is one, with so many workers at least."""
    if scheduler is None:
        yield None
        return
    # Imported here, because it needs an extra.
    from lmctl.jobs.cluster.connection import connected

    with connected(scheduler, folder.path.absolute()) as connection:
        connection.wait_for_workers(fewest)
        yield connection


def _places(
    cluster: Connection | None, folder: TuningFolder, corpus: PreparedCorpus, config: Config, run: RunTrial
) -> AbstractContextManager[Places]:
    """The places where trials run: the workers of a cluster, or this machine."""
    if cluster is None:
        return contextlib.nullcontext(OnePlace(run))
    from lmctl.jobs.tune.on_cluster import cluster_places

    return cluster_places(cluster, folder.path, corpus.folder, config.device.threads)


def _check(config: Config, options: TuneOptions, at_once: int) -> None:
    """Refuse what has no meaning for a study, before anything is written."""
    if config.training.init_from is not None:
        raise UsageError("training.init_from: trials start from random weights; leave it out")
    if not config.family.trains_network and not config.family.estimates:
        raise UsageError(f"model.family: models of family {config.family.name} are not trained; name another one")
    options.limits.check_family(config)
    _plan(config, options, at_once)


def _plan(config: Config, options: TuneOptions, at_once: int) -> TimePlan:
    """The plan of the time of a study."""
    limit = config.training.time_limit
    return plan_study(
        options.limit_seconds,
        None if limit is None else seconds_of(limit),
        options.trials,
        trains_network=config.family.trains_network,
        at_once=at_once,
    )


def _opened(
    job: TrainingJob,
    folder: TuningFolder,
    request: Request,
    space: Space | None,
    options: TuneOptions,
    plan: TimePlan,
    cluster: Connection | None,
    on_event: OnTuningEvent,
) -> tuple[StudyRecord, PreparedCorpus]:
    """The study of the model folder with its corpus: the one that there is, or a new one."""
    if options.restart:
        folder.clear()
    known = folder.record()
    if known is not None:
        check_the_same(known, request, space, options, folder.path)
        corpus = _corpus(job, folder, cluster, on_event)
        on_event(describe_corpus(corpus))
        return known, corpus
    folder.clear()
    corpus = _corpus(job, folder, cluster, on_event)
    on_event(describe_corpus(corpus))
    record = StudyRecord(
        request=request,
        space=space or built_in_space(job.settings, corpus.record.train.tokens),
        limits=options.limits,
        plan=plan,
        random=options.random,
    )
    folder.write_record(record)
    return record, corpus


def _corpus(
    job: TrainingJob, folder: TuningFolder, cluster: Connection | None, on_event: OnTuningEvent
) -> PreparedCorpus:
    """The prepared text: the folder that the user named, that of the study, or one that is prepared now."""
    if is_prepared_folder(job.sources):
        return PreparedCorpus.open(Path(job.sources[0]))
    if folder.record() is not None and is_prepared_folder([str(folder.corpus)]):
        return PreparedCorpus.open(folder.corpus)
    return prepare(
        job.sources,
        folder.corpus,
        job.config,
        jobs=job.policies.jobs or job.config.device.threads,
        scheduler=None if cluster is None else cluster.address,
        on_progress=lambda read: on_event(TextRead(bytes=read)),
    )


def _without_preparation(job: TrainingJob) -> Settings:
    """The settings of the user, without those that the preparation of the text has applied."""
    if is_prepared_folder(job.sources):
        return job.settings
    explicit = job.settings.explicit
    return Settings({key: value for key, value in explicit.items() if not key.startswith(DECIDED_BY_PREPARATION)})


def _with_preset(settings: Settings, record: StudyRecord, corpus: PreparedCorpus) -> Settings:
    """The settings with the preset of the last training, which all trials share, whatever their time limit is."""
    preset = Settings({**settings.explicit, **_time_limit(record)}).resolve(corpus.record.train.tokens).preset
    return settings if preset == settings.preset else Settings({**settings.explicit, "preset": preset})


@contextlib.contextmanager
def _study(
    folder: TuningFolder, record: StudyRecord, corpus: PreparedCorpus, settings: Settings
) -> Iterator[Study]:
    """The trials; the first one has the values that the preset and the settings give."""
    config = settings.resolve(corpus.record.train.tokens)
    first: dict[str, Value] = {}
    for dimension in record.space.dimensions:
        section, _, name = dimension.path.partition(".")
        first[dimension.path] = getattr(getattr(config, section), name)
    study = Study(folder.database, record.space, config.training.seed, first, random=record.random)
    try:
        yield study
    finally:
        study.close()


def _time_limit(record: StudyRecord) -> dict[str, object]:
    final = record.plan.final_seconds
    return {} if final is None else {"training.time_limit": time_text(final)}


def _write_best(
    folder: TuningFolder, explicit: Mapping[str, object], best: Trial, trials: int, figure: ComparedFigure
) -> str:
    """Write the settings of the best trial, by which `lmctl train -c` repeats its configuration."""
    text = (
        f"# The best of {trials} trials of lmctl tune: trial {best.number}, {figure.replace('_', '-')} "
        f"{best.perplexity:.2f} on the validation text.\n{settings_to_yaml(explicit)}"
    )
    files.write_text(folder.best, text)
    return text
