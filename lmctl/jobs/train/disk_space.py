"""Check that the disk has room for the files of a run, before the run writes them.

A run that fails at its end because the disk is full has wasted its time. The checks use lower bounds: a run that
is refused here could not have finished. A run that is accepted can still fail, for instance if other programs fill
the disk.
"""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

from lmctl.errors import StorageError
from lmctl.jobs.train.network_size import configured_parameters
from lmctl.text.sources import stored_bytes

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from lmctl.config import Config, TrainingConfig
    from lmctl.corpus.prepared import PreparedCorpus
    from lmctl.families.family import Family

FLOAT32_BYTES = 4
# Numbers that an optimizer keeps for each weight, beside the weight.
SLOTS = {"sgd": 0, "adam": 2, "adagrad": 1, "rmsprop": 1}


def check_room_to_prepare(folder: Path, sources: Sequence[str]) -> None:
    """Check that a corpus can be prepared in a folder: it needs at least the size of the texts.

    A token takes 5 bytes while chunks are processed, and 2 or 4 bytes in its stream. Together that was 1.6 times
    the size of the training text of WikiText-2, and 2.1 times the size of a Chinese text, whose words are shorter.

    Args:
        folder: the folder of the corpus; it must exist.
        sources: paths or addresses of the texts. A compressed file counts with its compressed size; standard
            input, pipes and texts of unknown size count as 0.

    Raises:
        StorageError: there is not enough room.
    """
    _check(folder, sum(map(stored_bytes, sources)), "preparation")


def check_room_to_train(work: Path, checkpoint: Path, corpus: PreparedCorpus, config: Config) -> None:
    """Check that the checkpoints and the bundle of a run can be written.

    A new checkpoint is written before the old one is removed. The bundle is written while the last checkpoint
    exists.

    Args:
        work: the model's work folder.
        checkpoint: path of the checkpoint. The size of an existing one counts as free, because it is replaced.
        corpus: the training corpus.
        config: the resolved configuration.

    Raises:
        StorageError: there is not enough room.
    """
    parameters = configured_parameters(corpus, config)
    each = checkpoint_bytes(parameters, config.training)
    there = checkpoint.stat().st_size if checkpoint.is_file() else 0
    _check(work, max(2 * each, each + bundle_bytes(parameters, corpus)) - there, "training")


def check_room_to_estimate(scratch: Path, family: Family, tokens: int) -> None:
    """Check that the scratch files of an estimation can be written.

    Args:
        scratch: the folder for scratch files; must exist.
        family: the family whose model is estimated.
        tokens: number of training tokens.

    Raises:
        StorageError: there is not enough room.
    """
    _check(scratch, family.estimation_bytes(tokens), f"estimating a model of family {family.name}")


def checkpoint_bytes(parameters: int, training: TrainingConfig) -> int:
    """Size of the arrays of a checkpoint: weights, weights of the best epoch, averages, optimizer slots."""
    copies = 2 + bool(training.average_decay) + SLOTS[training.optimizer]
    return copies * FLOAT32_BYTES * parameters


def bundle_bytes(parameters: int, corpus: PreparedCorpus) -> int:
    """Size of a bundle: its weights, and the files that are copied from the corpus."""
    names = ("vocabulary", "characters")
    copied = [(corpus.folder / corpus.record.files[name]).stat().st_size for name in names]
    return FLOAT32_BYTES * parameters + sum(copied)


def _check(folder: Path, needed_bytes: int, what: str) -> None:
    disk = shutil.disk_usage(folder)
    # A file system that cannot state its size reports 0.
    if disk.total and disk.free < needed_bytes:
        raise StorageError(
            f"{folder}: not enough disk space; {what} needs at least {needed_bytes} bytes, {disk.free} are free"
        )
