"""Trials on the workers of a cluster: what the client makes of their news, and a study of n-grams."""

from __future__ import annotations

import pickle
from dataclasses import replace
from pathlib import Path

import pytest
from patient_cluster import patient_cluster
from simulated_trials import SimulatedTrial

from lmctl.config import read_settings
from lmctl.errors import UnavailableError
from lmctl.jobs.cluster.connection import Connection
from lmctl.jobs.cluster.steered import Done, Lost, Report, steered
from lmctl.jobs.cluster.worker_side import UnsuitableError
from lmctl.jobs.tune.on_cluster import ClusterPlaces, TrialOnWorker
from lmctl.jobs.tune.options import TuneOptions
from lmctl.jobs.tune.run import tune
from lmctl.jobs.tune.trial_process import TrialCommand, TrialEnd
from lmctl.jobs.watching.tuning_events import StudyStarted, TrialStarted
from lmctl.store.bundle import open_bundle

COMMAND = TrialCommand(Path("corpus"), Path("model"), Path("settings"), curve_points=4)
DIED = "its worker b died, or lost the connection"
POINT = {"event": "curve_point", "point": 1, "points": 4, "valid_perplexity": 90.0}


class Tasks:
    """Tasks on workers a and b, whose news are given by hand."""

    def __init__(self, *news):
        self.news = list(news)
        self.started, self.orders = [], []

    def free(self):
        return ["a", "b"][len(self.started) :]

    def cores_of(self, worker):
        return {"a": 3, "b": 5}[worker]

    def start(self, number, worker, item):
        self.started.append((number, worker, item))

    def order(self, number, order):
        self.orders.append((number, order))

    def wait(self, _seconds):
        return self.news.pop(0)


def begun(threads=0, *news):
    """The places with trials 7 and 8, and their tasks."""
    tasks = Tasks(*news)
    places = ClusterPlaces(tasks, threads)
    for number, worker in ((7, "a"), (8, "b")):
        assert places.has_room()
        assert places.start(number, COMMAND) == worker
    assert not places.has_room()
    return places, tasks


def never(*_):
    return False


@pytest.mark.parametrize(("configured", "threads"), [(0, [3, 5]), (2, [2, 2])])
def test_a_trial_has_the_cores_of_its_worker_unless_threads_are_configured(configured, threads):
    _, tasks = begun(configured)
    assert tasks.started == [
        (7, "a", replace(COMMAND, threads=threads[0])),
        (8, "b", replace(COMMAND, threads=threads[1])),
    ]


def test_a_trial_is_cut_at_a_point_whatever_its_end_was():
    # It ended before the order came.
    places, tasks = begun(0, Report(8, POINT), Report(8, POINT), Done(8, TrialEnd(), "cut"))
    seen = []

    def is_to_be_cut(number, event):
        seen.append((number, event["point"]))
        return True

    assert places.wait(is_to_be_cut, never) is None
    # Nothing more is asked of a trial that was told to end.
    assert places.wait(is_to_be_cut, lambda number: number == 8) is None
    assert places.wait(is_to_be_cut, never) == (8, TrialEnd(was_cut=True))
    assert (seen, tasks.orders) == ([(8, 1)], [(8, "cut")])


def test_a_trial_begins_on_the_worker_that_was_free_although_it_has_died():
    places, tasks = begun(0)
    tasks.started.clear()
    assert places.has_room()
    # The next configuration takes a while to choose.
    tasks.free = list

    assert places.start(9, COMMAND) == "a"
    assert not places.has_room()


@pytest.mark.parametrize(
    ("order", "expected"), [("cut", TrialEnd(was_cut=True)), ("stop", TrialEnd(was_stopped=True, message=DIED))]
)
def test_a_trial_that_was_told_to_end_is_not_run_again_if_its_worker_dies(order, expected):
    places, tasks = begun(0, Report(8, POINT), Lost(8, "b", order))

    assert places.wait(lambda *_: order == "cut", lambda number: number == 8 and order == "stop") is None
    assert places.wait(never, never) == (8, expected)
    assert tasks.orders == [(8, order)]


def test_all_trials_are_stopped_once():
    ended = TrialEnd(was_stopped=True, exit_code=143, message="interrupted")
    places, tasks = begun(0, None, Done(7, ended, "stop"), Done(8, ended, "stop"))

    assert places.wait(never, lambda _: True) is None
    assert [places.wait(never, lambda _: True) for _ in range(2)] == [(7, ended), (8, ended)]
    assert sorted(tasks.orders) == [(7, "stop"), (8, "stop")]


def test_a_trial_is_lost_with_its_worker_or_if_the_worker_hears_nothing():
    stopped = TrialEnd(was_stopped=True, exit_code=143, message="interrupted")
    places, _ = begun(0, Lost(7, "a", None), Done(8, stopped, None))

    (_, dead), (_, silent) = places.wait(never, never), places.wait(never, never)

    assert (dead.was_lost, dead.has_killed) == (True, True)
    assert dead.message == "its worker a died, or lost the connection"
    assert (silent.was_lost, silent.has_killed) == (True, False)


def test_workers_must_have_the_versions_that_train_and_see_the_corpus(tmp_path):
    function = TrialOnWorker(tmp_path)
    assert {"lmctl", "numpy", "tensorflow", "keras"} <= function.versions().keys()
    assert function.folders() == [tmp_path]


def test_a_worker_with_another_corpus_under_the_same_path_is_refused(corpus, tmp_path):
    function = pickle.dumps(TrialOnWorker(corpus.folder))
    pickle.loads(function).check_worker()  # noqa: S301

    record = corpus.folder / "corpus.json"
    for damage in (lambda: record.write_bytes(record.read_bytes() + b"\n"), record.unlink):
        damage()
        with pytest.raises(
            UnsuitableError, match=r"^has another corpus in the folder /.*/corpus; expected that of"
        ):
            pickle.loads(function).check_worker()  # noqa: S301


def told(events):
    """What a study told of its trials, apart from times and places."""
    fields = ("trial", "values", "continued", "point", "state", "perplexity", "best", "why")
    return [(type(event), *(getattr(event, name, None) for name in fields)) for event in events]


def test_with_one_worker_a_study_is_that_of_a_run_without_a_cluster(search, trials, tmp_path):
    # Trials 1, 2 and 6 are cut off, and the last ones are chosen by the results of the others.
    trials.curves = {0: [100, 50], 1: [120, 1], 2: [90, 60], 3: [80, 40], 5: [70, 30], 6: [99, 1], 7: [60, 20]}
    options = {"most": 8, "seconds": 1000.0}
    made, study, alone = search(**options)
    best = made.to_the_end()
    study.close()
    (tmp_path / "model").rename(tmp_path / "alone")

    with (
        patient_cluster(1, tmp_path) as address,
        Connection(address) as connection,
        steered(connection, tmp_path, SimulatedTrial(trials.curves)) as tasks,
    ):
        made, study, events = search(**options, places=ClusterPlaces(tasks, 1))
        assert made.to_the_end().number == best.number

    assert told(events) == told(alone)
    assert [trial.number for trial in study.trials() if trial.state == "cut"] == [1, 2, 6]


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    """The address of a scheduler with two workers."""
    with patient_cluster(2, tmp_path_factory.mktemp("cluster")) as started:
        yield started


def study(address, sources, held_out, folder, events, **options):
    settings = read_settings(assignments=["model.family=ngram", f"validation.file={held_out}"])
    given = TuneOptions(**{"limit_seconds": 3600.0, "trials": 3, "scheduler": address} | options)
    return tune(sources, folder, settings, given, events.append)


def test_a_study_runs_on_all_workers(address, sentences, held_out, tmp_path):
    events = []
    result = study(address, [sentences], held_out, tmp_path / "model", events)

    (started,) = (event for event in events if isinstance(event, StudyStarted))
    trials = [event for event in events if isinstance(event, TrialStarted)]
    assert started.at_once == 2
    assert len(trials) == 3
    assert len({trial.worker for trial in trials[:2]}) == 2
    assert result.trials == {"done": 3}
    # n-grams are the same wherever they are counted.
    assert result.trained.valid_perplexity == result.trial_perplexity
    config = open_bundle(Path(result.trained.published)).config()
    assert config.model.order == result.values["model.order"]
    # Neither trials nor anything of the cluster is left.
    left = {path.name for path in (tmp_path / "model" / "tuning").iterdir()}
    assert left == {"best.yaml", "corpus", "lock", "study.db", "study.json", "trials"}
    assert not [*(tmp_path / "model" / "tuning" / "trials").iterdir()]


def test_a_corpus_that_workers_do_not_see_is_named_before_work_starts(
    address, corpus, tmp_path, held_out, monkeypatch
):
    (tmp_path / "here").mkdir()
    corpus.folder.rename(tmp_path / "here" / "corpus")
    monkeypatch.chdir(tmp_path / "here")
    events = []

    # Every process sees another folder under this path.
    with pytest.raises(UnavailableError, match=r"^worker tcp://\S+ cannot read the folder /proc/self/cwd/corpus "):
        tune(
            ["/proc/self/cwd/corpus"],
            tmp_path / "model",
            read_settings(assignments=["model.family=ngram"]),
            TuneOptions(limit_seconds=3600.0, scheduler=address),
            events.append,
        )

    assert not [event for event in events if isinstance(event, TrialStarted)]
