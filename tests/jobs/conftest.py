"""For the tests of jobs: small texts, and a training so small that a run takes about a second."""

from __future__ import annotations

import shutil
import subprocess
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from lmctl.config import Settings, read_settings
from lmctl.jobs import workers as worker_processes
from lmctl.jobs.train.run import train
from lmctl.jobs.train.training_job import Policies
from lmctl.jobs.watching.events import ignore_event

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path
    from types import ModuleType

    from lmctl.jobs.train.publish import Trained
    from lmctl.jobs.watching.events import OnRunEvent

TEXT = "the cat sat on the mat\nthe dog sat on the log\na cat and a dog\non the mat sat a dog\n"
VALID = "the cat sat on a log\n\nthe zebra sat\na dog and a gnu and the cat on the mat\n"

KNOWN = "the cat sat on a log\na dog sat on the mat\n"

# They train on the device that all tests of this process use.
TINY = (
    "preset=tiny",
    "model.embedding_dim=8",
    "model.hidden_units=8",
    "model.layers=1",
    "model.dropout=0",
    "training.batch_size=2",
    "training.num_steps=8",
    "training.epochs=2",
    "training.with_ngram=false",
    "device.placement=cpu",
)


def tiny_settings(*assignments: str) -> Settings:
    """The settings of a tiny training: all text trains, without a gate, unless `validation.file` is set."""
    validates = any(text.startswith("validation.file") for text in assignments)
    without = [] if validates else ["validation.fraction=0", "publishing.gate=false"]
    return read_settings(assignments=[*TINY, *without, *assignments])


@pytest.fixture
def settings() -> Callable[..., Settings]:
    """`settings("training.seed=2", ...)`: see `tiny_settings`."""
    return tiny_settings


@pytest.fixture
def tiny() -> tuple[str, ...]:
    """Assignments of model and training that make a run tiny."""
    return TINY


@pytest.fixture
def text(tmp_path: Path) -> str:
    """A text to train on."""
    path = tmp_path / "text.txt"
    path.write_text(TEXT)
    return str(path)


@pytest.fixture
def valid(tmp_path: Path) -> str:
    """A validation text; two of its words are not in the training text."""
    path = tmp_path / "valid.txt"
    path.write_text(VALID)
    return str(path)


@pytest.fixture
def write(tmp_path: Path) -> Callable[[str, str | bytes], str]:
    """`write(name, content)`: the path of a new file below the test's folder."""

    def write_file(name: str, content: str | bytes) -> str:
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return str(path)

    return write_file


@pytest.fixture
def known(tmp_path: Path) -> str:
    """A validation text; all its words are in the training text."""
    path = tmp_path / "known.txt"
    path.write_text(KNOWN)
    return str(path)


@pytest.fixture
def again(text: str, valid: str, tmp_path: Path) -> Callable[..., Trained]:
    """`again(*assignments, **options)`: the run of `published` once more, with other settings."""

    def run(*assignments: str, on_event: OnRunEvent = ignore_event, **policies: Any) -> Trained:
        asked = tiny_settings(f"validation.file={valid}", "publishing.gate=false", *assignments)
        return train([text], tmp_path / "model", asked, Policies(**policies), on_event)

    return run


@pytest.fixture
def published(eagerly: None, again: Callable[..., Trained]) -> Trained:
    """The result of a run."""
    return again()


@pytest.fixture(scope="module")
def learned(cpu: None, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Trained]:
    """A folder with a model that was trained for 30 epochs, and the result of the run."""
    folder = tmp_path_factory.mktemp("learned")
    (folder / "text.txt").write_text(TEXT)
    (folder / "known.txt").write_text(KNOWN)
    asked = tiny_settings(f"validation.file={folder / 'known.txt'}", "training.epochs=30")
    with functions_run_eagerly():
        return folder, train([str(folder / "text.txt")], folder / "model", asked)


@pytest.fixture
def good(eagerly: None, learned: tuple[Path, Trained], tmp_path: Path) -> Trained:
    """Publish a copy of `learned`."""
    folder, trained = learned
    shutil.copytree(folder / "model", tmp_path / "model", symlinks=True)
    return msgspec.structs.replace(
        trained,
        published=trained.published.replace(str(folder), str(tmp_path)),
        model=trained.model.replace(str(folder), str(tmp_path)),
    )


@pytest.fixture
def retrain(text: str, known: str, tmp_path: Path) -> Callable[..., Trained]:
    """`retrain(*assignments, **options)`: a run that learns almost nothing, over the model of `good`."""

    def run(*assignments: str, on_event: OnRunEvent = ignore_event, **policies: Any) -> Trained:
        asked = tiny_settings(f"validation.file={known}", "training.learning_rate=1e-9", *assignments)
        return train([text], tmp_path / "model", asked, Policies(**policies), on_event)

    return run


@contextmanager
def functions_run_eagerly() -> Iterator[None]:
    """Run TensorFlow's functions eagerly: a few steps take less time than compiling them."""
    import tensorflow as tf

    tf.config.run_functions_eagerly(True)
    try:
        yield
    finally:
        tf.config.run_functions_eagerly(False)


@pytest.fixture
def eagerly(cpu: None) -> Iterator[None]:
    """See `functions_run_eagerly`."""
    with functions_run_eagerly():
        yield


@pytest.fixture
def helpers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], ModuleType]:
    """`helpers(source)`: a module that workers can import too."""

    def make(source: str) -> ModuleType:
        name = f"helpers_{abs(hash(str(tmp_path)))}"
        (tmp_path / f"{name}.py").write_text(source)
        monkeypatch.syspath_prepend(tmp_path)
        return __import__(name)

    return make


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[subprocess.Popen[bytes]]:
    """The processes that have been started as workers."""
    processes: list[subprocess.Popen[bytes]] = []

    class Recorded(subprocess.Popen):
        def __init__(self, *arguments: Any, **options: Any) -> None:
            super().__init__(*arguments, **options)
            processes.append(self)

    monkeypatch.setattr(worker_processes.subprocess, "Popen", Recorded)
    return processes
