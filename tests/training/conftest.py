"""Small corpora and the trainings that run on them, all with the same device settings."""

from __future__ import annotations

import dataclasses
import time
from typing import TYPE_CHECKING, Any

import pytest

from lmctl.config import read_settings
from lmctl.deadline import NEVER
from lmctl.jobs.prepare import prepare
from lmctl.training.events import Watch
from lmctl.training.time_limit import TimeLimit

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from pathlib import Path

    from lmctl.config import Config
    from lmctl.corpus.batches import Segment
    from lmctl.corpus.prepared import PreparedCorpus
    from lmctl.deadline import Deadline
    from lmctl.training.checkpoint import Checkpoint
    from lmctl.training.result import TrainingResult
    from lmctl.training.setup import Setup
    from lmctl.training.steps import Steps
    from lmctl.training.validation import Validated

TEXT = ["the cat sat on the mat", "the dog sat on the log", "a cat and a dog", "on the mat sat a dog"]


@pytest.fixture
def make_config() -> Callable[..., Config]:
    """`make_config("training.epochs=2", ...)`: a tiny network on the processor, no dropout, no clipping."""

    def make(*assignments: str) -> Config:
        base = [
            "preset=tiny",
            "model.embedding_dim=6",
            "model.hidden_units=5",
            "model.layers=1",
            "model.dropout=0",
            "model.input_dropout=0",
            "model.word_dropout=0",
            "model.weight_dropout=0",
            "model.tied=false",
            "training.optimizer=sgd",
            "training.learning_rate=0.5",
            "training.schedule=constant",
            "training.clip_norm=null",
            "training.batch_size=2",
            "training.num_steps=8",
            "training.epochs=1",
            "training.init_scale=0.1",
            "training.seed=1",
            "training.reset_probability=0",
            "device.placement=cpu",
        ]
        return read_settings(assignments=[*base, *assignments]).resolve()

    return make


@pytest.fixture
def make_corpus(tmp_path: Path) -> Callable[..., PreparedCorpus]:
    """`make_corpus(lines, valid=lines)`: the lines, prepared; without `valid` there is nothing to validate on."""

    def make(lines: Sequence[str] = TEXT, valid: Sequence[str] = ()) -> PreparedCorpus:
        train_file, valid_file = tmp_path / "train.txt", tmp_path / "valid.txt"
        train_file.write_text("".join(f"{line}\n" for line in lines))
        valid_file.write_text("".join(f"{line}\n" for line in valid))
        held_out = f"validation.file={valid_file}" if valid else "validation.fraction=0"
        config = read_settings(assignments=["text.segmenter=space", held_out]).resolve()
        return prepare([str(train_file)], tmp_path / "corpus", config, jobs=1)

    return make


@pytest.fixture
def make_setup(cpu: None) -> Callable[[PreparedCorpus, Config], Setup]:
    """`make_setup(corpus, config)`: the `Setup` of a training run, whose validations take no time by its clock."""
    from lmctl.training.devices import use_device
    from lmctl.training.setup import Setup

    def make(corpus: PreparedCorpus, config: Config) -> Setup:
        return Setup.of(corpus, config, use_device(config.device), clock=lambda: 0.0)

    return make


@pytest.fixture
def train(cpu: None) -> Callable[..., TrainingResult | None]:
    """`train(corpus, config, deadline=, resume_from=, ...)`: a whole run; further options are those of `Watch`."""
    from lmctl.training.run import train_network

    def run(
        corpus: PreparedCorpus,
        config: Config,
        *,
        deadline: float | None = None,
        resume_from: Checkpoint | None = None,
        **watched: Any,
    ) -> TrainingResult | None:
        limit = None if deadline is None else TimeLimit(deadline)
        return train_network(corpus, config, time_limit=limit, resume_from=resume_from, watch=Watch(**watched))

    return run


@pytest.fixture
def run(cpu: None) -> Callable[..., TrainingResult | None]:
    """`run(setup, time_limit=)`: a whole run with this setup."""
    from lmctl.training.trainer import Trainer

    def make(setup: Setup, time_limit: TimeLimit | None = None) -> TrainingResult | None:
        return Trainer(setup, time_limit=time_limit).run()

    return make


class FixedLimit(TimeLimit):
    """A time limit of an hour that measures one step, with given answers.

    Args:
        planned: the number of steps that it plans; None: as many as fit, which is more than any test trains.
        is_over: the answers of `is_over`, one for each call; later calls return False.
        replanned: (steps done, planned steps) -> planned steps from now on.
        step_seconds: the measured time of a step.
    """

    measured = True
    measured_step_seconds = 0.0

    def __init__(
        self,
        planned: int | None = None,
        *,
        is_over: Iterable[bool] = (),
        replanned: Callable[[int, int], int] = lambda _step, planned: planned,
        step_seconds: float = 1.0,
    ) -> None:
        super().__init__(time.monotonic() + 3600)
        self._planned = planned
        self._answers = iter(is_over)
        self._replan = replanned
        self.measured_step_seconds = step_seconds

    def plan(self, steps_per_epoch: float, validation_seconds: float) -> int:
        fitting = super().plan(steps_per_epoch, validation_seconds)
        return fitting if self._planned is None else self._planned

    def replanned(self, step: int, planned: int, steps_per_epoch: float, epoch_steps: int) -> int:  # noqa: ARG002
        return self._replan(step, planned)

    def is_over(self) -> bool:
        return next(self._answers, False)


@pytest.fixture
def fixed_limit() -> type[FixedLimit]:
    """`fixed_limit(planned, is_over=, replanned=, step_seconds=)`: a time limit with given answers."""
    return FixedLimit


class RecordedSteps:
    """Steps that record the arguments of each update.

    Args:
        steps: the real steps.
        loss: changes the loss that is reported: (nats, number of the step) -> nats.
        clock: it is advanced for every token that is validated.
    """

    def __init__(
        self,
        steps: Steps,
        loss: Callable[[float, int], float] = lambda nats, _step: nats,
        clock: Callable[[], Any] = lambda: None,
    ) -> None:
        self._steps = steps
        self._loss = loss
        self._clock = clock
        self.asked: list[dict[str, float]] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._steps, name)

    def train(self, segment: Segment, state: Any, **asked: Any) -> tuple[float, Any]:
        self.asked.append(asked)
        nats, state = self._steps.train(segment, state, **asked)
        return self._loss(nats, asked["step"]), state

    def validate(self, segment: Segment, state: Any) -> tuple[float, int, Any]:
        for _ in range(segment.tokens):
            self._clock()
        return self._steps.validate(segment, state)


@dataclasses.dataclass
class FixedValidation:
    """A validation that always has the same result."""

    nats: float | None
    tokens = 0
    part = None
    spread = False

    def terms(self) -> None:
        return None

    def fit_to(self, most_seconds: float) -> float:  # noqa: ARG002
        return 0.0

    def score(self, deadline: Deadline = NEVER) -> Validated | None:  # noqa: ARG002
        from lmctl.training.validation import Validated

        return None if self.nats is None else Validated([self.nats], [1], 1, is_cut=False)


@pytest.fixture
def validating() -> Callable[[Setup, float], Setup]:
    """`validating(setup, nats)`: the setup with a `FixedValidation`."""
    return lambda setup, nats: dataclasses.replace(setup, validation=FixedValidation(nats))


@pytest.fixture
def recorded() -> Callable[..., Setup]:
    """`recorded(setup, loss=, clock=)`: the setup with `RecordedSteps`."""

    def make(setup: Setup, **options: Any) -> Setup:
        return dataclasses.replace(setup, steps=RecordedSteps(setup.steps, **options))

    return make


@pytest.fixture
def eagerly(cpu: None) -> Iterator[None]:
    """Run TensorFlow's functions eagerly: a few steps take less time than compiling them."""
    import tensorflow as tf

    tf.config.run_functions_eagerly(True)
    yield
    tf.config.run_functions_eagerly(False)
