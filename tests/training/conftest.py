"""Small corpora and the trainings that run on them, all with the same device settings."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from lmctl.config import read_settings
from lmctl.jobs.prepare import prepare

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from lmctl.config import Config
    from lmctl.corpus.prepared import PreparedCorpus

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
def make_trainer(cpu: None) -> Callable[[PreparedCorpus, Config], Any]:
    """`make_trainer(corpus, config)`: a training run that has not begun."""
    from lmctl.training.devices import use_device
    from lmctl.training.trainer import Trainer, Watch

    def make(corpus: PreparedCorpus, config: Config) -> Trainer:
        return Trainer(corpus, config, use_device(config.device), None, None, Watch())

    return make


@pytest.fixture
def eagerly(cpu: None) -> Iterator[None]:
    """Run TensorFlow's functions as they stand: for a few steps, that is sooner done than compiling them."""
    import tensorflow as tf

    tf.config.run_functions_eagerly(True)
    yield
    tf.config.run_functions_eagerly(False)
