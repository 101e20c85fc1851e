import os
import shutil
import signal
from typing import NamedTuple

import pytest

from lmctl.config import TrainingConfig, read_settings
from lmctl.errors import InterruptedRunError, StorageError
from lmctl.families import ngram
from lmctl.jobs.prepare import prepare
from lmctl.jobs.train import disk_space
from lmctl.jobs.train.network_size import configured_parameters
from lmctl.jobs.train.run import train
from lmctl.training.events import StepDone


class Disk(NamedTuple):
    """A result of shutil.disk_usage."""

    total: int
    used: int
    free: int


TEXT = "the cat sat on the mat\nthe dog sat on the log\n" * 20
TINY = (
    *("preset=tiny", "model.embedding_dim=8", "model.hidden_units=8", "model.layers=1", "training.batch_size=2"),
    *("training.num_steps=8", "training.epochs=2", "validation.fraction=0", "device.placement=cpu"),
)


@pytest.fixture
def disk(monkeypatch):
    """`disk(free)`: all disks have `free` bytes free."""

    def have(free, total=10**12):
        monkeypatch.setattr(shutil, "disk_usage", lambda _folder: Disk(total, total - free, free))

    return have


@pytest.fixture
def text(tmp_path):
    path = tmp_path / "text.txt"
    path.write_text(TEXT)
    return str(path)


@pytest.mark.parametrize(
    ("optimizer", "average_decay", "copies"),
    [("sgd", 0.0, 2), ("adam", 0.0, 4), ("adam", 0.99, 5), ("adagrad", 0.0, 3), ("rmsprop", 0.5, 4)],
)
def test_a_checkpoint_takes_four_bytes_a_number(optimizer, average_decay, copies):
    training = TrainingConfig(optimizer=optimizer, average_decay=average_decay)

    assert disk_space.checkpoint_bytes(200, training) == copies * 200 * 4


def test_the_slots_are_those_of_the_optimizers(cpu):
    from lmctl.training.optimizers import _RULES

    assert {name: len(rule.slots) for name, rule in _RULES.items()} == disk_space.SLOTS


def test_the_estimate_is_the_size_of_the_files_of_a_run(cpu, text, tmp_path):
    # A checkpoint of the second epoch, which has best weights, and a bundle; words are not counted.
    def interrupt(event):
        if isinstance(event, StepDone) and event.epoch == 2:
            os.kill(os.getpid(), signal.SIGINT)

    asked = read_settings(assignments=TINY)
    with pytest.raises(InterruptedRunError):
        train([text], tmp_path / "model", asked, on_event=interrupt)
    found = (tmp_path / "model/work/checkpoint").stat().st_size
    published = train([text], tmp_path / "model", asked).published
    corpus = prepare([text], tmp_path / "corpus", asked.resolve())
    config = asked.resolve(len(corpus.train))
    parameters = configured_parameters(corpus, config)

    assert 0 < found - disk_space.checkpoint_bytes(parameters, config.training) < 10_000
    bundle = sum(path.stat().st_size for path in (tmp_path / published).iterdir())
    assert 0 < bundle - disk_space.bundle_bytes(parameters, corpus) < 10_000


def test_a_text_needs_as_much_again_to_be_prepared(disk, text, tmp_path):
    disk(free=len(TEXT) - 1)
    message = rf"corpus: not enough disk space; preparation needs at least {len(TEXT)} bytes, {len(TEXT) - 1} are"
    with pytest.raises(StorageError, match=message):
        prepare([text], tmp_path / "corpus", read_settings().resolve())
    assert {path.name for path in (tmp_path / "corpus").iterdir()} == {"lock"}

    disk(free=len(TEXT))
    assert prepare([text], tmp_path / "corpus", read_settings().resolve()).record.train.sentences == 40


def test_training_is_refused_before_tensorflow_is_loaded(disk, text, tmp_path, monkeypatch):
    monkeypatch.setattr("lmctl.jobs.train.fitting.NetworkFit._train", None)
    corpus = prepare([text], tmp_path / "corpus", read_settings(assignments=TINY).resolve())
    asked = read_settings(assignments=[each for each in TINY if not each.startswith("validation")])
    config = asked.resolve(len(corpus.train))
    parameters = configured_parameters(corpus, config)
    needed = 2 * disk_space.checkpoint_bytes(parameters, config.training)

    disk(free=needed - 1)
    with pytest.raises(StorageError, match=rf"work: .* training needs at least {needed} bytes, {needed - 1} are"):
        train([str(corpus.folder)], tmp_path / "model", asked)
    disk(free=needed)
    with pytest.raises(TypeError, match="not callable"):
        train([str(corpus.folder)], tmp_path / "model", asked)


def test_an_estimation_is_refused_by_the_need_that_its_family_states(disk, tmp_path):
    needed = ngram.SCRATCH_BYTES_PER_TOKEN * 100

    disk(free=needed - 1)
    message = f"estimating a model of family ngram needs at least {needed} bytes, {needed - 1} are free"
    with pytest.raises(StorageError, match=message):
        disk_space.check_room_to_estimate(tmp_path, ngram.FAMILY, 100)
    disk(free=needed)
    disk_space.check_room_to_estimate(tmp_path, ngram.FAMILY, 100)


def test_the_checkpoint_of_a_run_that_was_cut_off_makes_room(disk, text, tmp_path):
    corpus = prepare([text], tmp_path / "corpus", read_settings(assignments=TINY).resolve())
    config = read_settings(assignments=TINY).resolve(len(corpus.train))
    each = disk_space.checkpoint_bytes(configured_parameters(corpus, config), config.training)
    (tmp_path / "checkpoint").write_bytes(bytes(each))

    disk(free=each)
    disk_space.check_room_to_train(tmp_path, tmp_path / "checkpoint", corpus, config)
    disk(free=each - 1)
    with pytest.raises(StorageError, match=f"needs at least {each} bytes"):
        disk_space.check_room_to_train(tmp_path, tmp_path / "checkpoint", corpus, config)


def test_a_file_system_that_does_not_know_its_size_is_trusted(disk, text, tmp_path):
    disk(free=0, total=0)

    assert prepare([text], tmp_path / "corpus", read_settings().resolve()).record.train.sentences == 40
