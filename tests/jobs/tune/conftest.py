"""For the tests of tuning: a prepared text, a study of it, and trials without processes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from simulated_trials import count_ngrams, points_of

from lmctl.config import read_settings
from lmctl.config.spaces import Dimension, Space
from lmctl.deadline import Deadline
from lmctl.jobs.prepare import prepare
from lmctl.jobs.train.request import describe_request
from lmctl.jobs.train.signals import Signals
from lmctl.jobs.tune.folder import StudyRecord, TuningFolder
from lmctl.jobs.tune.limits import Limits
from lmctl.jobs.tune.places import OnePlace
from lmctl.jobs.tune.plan import TimePlan
from lmctl.jobs.tune.search import Search
from lmctl.jobs.tune.study import Study
from lmctl.jobs.tune.trial_process import TrialEnd

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from simulated_trials import Curves

    from lmctl.config import Settings
    from lmctl.corpus.prepared import PreparedCorpus
    from lmctl.jobs.tune.places import Places
    from lmctl.jobs.tune.trial_process import TrialCommand

SENTENCES = [
    f"{subject} {verb} {place} {end}"
    for subject in ("the cat", "a dog", "the bird", "my friend", "she")
    for verb in ("sat", "slept", "sang", "waited", "stood")
    for place in ("on the mat", "by the fire", "in a tree")
    for end in (".", "again .", "and smiled .")
]
NETWORK = ("preset=tiny", "model.embedding_dim=4", "model.hidden_units=4")
NGRAM = ("model.family=ngram",)


class Clock:
    """A clock that trials move."""

    def __init__(self) -> None:
        self.seconds = 1000.0

    def __call__(self) -> float:
        return self.seconds


class Trials:
    """Runs trials in this process: n-grams, whatever the family is, with curves and outcomes by hand.

    Args:
        clock: moved by `seconds` at each trial.
        seconds: the time of a trial.

    Attributes:
        curves: the curve of each trial by number; a trial without one has none.
        ends: ends that replace the training of n-grams, by number.
        commands: of all trials that were run.
    """

    def __init__(self, clock: Clock, seconds: float = 10.0) -> None:
        self._clock, self._seconds = clock, seconds
        self.curves: Curves = {}
        self.ends: dict[int, TrialEnd] = {}
        self.commands: list[TrialCommand] = []

    def __call__(
        self, command: TrialCommand, is_to_be_cut: Callable[[dict[str, Any]], bool], is_over: Callable[[], bool]
    ) -> TrialEnd:
        self.commands.append(command)
        number = int(command.model.name)
        if any(map(is_to_be_cut, points_of(self.curves, command))):
            return TrialEnd(was_cut=True, exit_code=143, message="interrupted")
        self._clock.seconds += self._seconds
        if is_over():
            return TrialEnd(was_stopped=True, exit_code=143, message="interrupted")
        if number in self.ends:
            return self.ends[number]
        count_ngrams(command)
        return TrialEnd()


@pytest.fixture
def clock() -> Clock:
    """A clock that the trials of `trials` move by 10 seconds each."""
    return Clock()


@pytest.fixture
def trials(clock: Clock) -> Trials:
    """Runs trials in this process."""
    return Trials(clock)


@pytest.fixture
def sentences(tmp_path: Path) -> str:
    """A text of 180 sentences."""
    path = tmp_path / "sentences.txt"
    path.write_text("".join(f"{line}\n" for number, line in enumerate(SENTENCES) if number % 5))
    return str(path)


@pytest.fixture
def held_out(tmp_path: Path) -> str:
    """A validation text of 45 sentences like these."""
    path = tmp_path / "valid.txt"
    path.write_text("".join(f"{line}\n" for line in SENTENCES[::5]))
    return str(path)


@pytest.fixture
def corpus(tmp_path: Path, sentences: str, held_out: str) -> PreparedCorpus:
    """Both texts, prepared."""
    config = read_settings(assignments=[f"validation.file={held_out}"]).resolve()
    return prepare([sentences], tmp_path / "corpus", config, jobs=1)


@pytest.fixture
def search(
    tmp_path: Path, sentences: str, corpus: PreparedCorpus, clock: Clock, trials: Trials
) -> Iterator[Callable[..., tuple[Search, Study, list[Any]]]]:
    """`search(...)`: a search of a network with 100 seconds for trials, its study, and the events it tells."""
    opened: list[Study] = []

    def make(
        *assignments: str,
        seconds: float = 100.0,
        at_most: tuple[str, ...] = (),
        plan: TimePlan | None = None,
        most: int | None = None,
        signals: Signals | None = None,
        space: Space | None = None,
        places: Places | None = None,
    ) -> tuple[Search, Study, list[Any]]:
        settings: Settings = read_settings(assignments=[*NETWORK, *assignments])
        request = describe_request([sentences], settings)
        assert request is not None
        space = space or Space(
            name="x", dimensions=(Dimension(path="model.dropout", kind="number", low=0.0, high=0.5),)
        )
        plan = plan or TimePlan(trial_seconds=10.0, final_seconds=20.0)
        record = StudyRecord(request=request, space=space, limits=Limits.parse(at_most), plan=plan)
        folder = TuningFolder(tmp_path / "model")
        folder.path.mkdir(parents=True, exist_ok=True)
        study = Study(folder.database, space, 1, {})
        opened.append(study)
        events: list[Any] = []
        made = Search(
            study,
            record,
            folder,
            corpus,
            settings,
            Deadline(clock() + seconds, clock),
            most,
            signals or Signals(),
            events.append,
            places or OnePlace(trials),
        )
        return made, study, events

    yield make
    for study in opened:
        study.close()
