"""Whether what a run is about to write can fit on the disk at all.

A run that fails for want of space when it is nearly done has wasted its time. What is refused here could not have
ended well: needs are counted low, and what else fills the disk meanwhile is not known.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from lmctl.errors import StorageError
from lmctl.jobs.train.network_size import configured_parameters
from lmctl.text.sources import STDIN

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lmctl.config import Config, TrainingConfig
    from lmctl.corpus.prepared import PreparedCorpus
    from lmctl.families.family import Family

FLOAT32_BYTES = 4
# Further numbers that an optimizer keeps for each weight.
SLOTS = {"sgd": 0, "adam": 2, "adagrad": 1, "rmsprop": 1}


def check_room_to_prepare(folder: Path, sources: Sequence[str]) -> None:
    """See that a corpus can be prepared in a folder.

    A token takes 5 bytes while chunks are worked on, and 2 or 4 in its stream. That was 1.6 times the bytes of the
    training text of WikiText-2, and 2.1 times those of a Chinese one, where words are shorter; no less than once.

    Args:
        folder: where it is to be prepared; must be there.
        sources: the texts; compressed ones count as they are, and what is no file counts nothing.

    Raises:
        StorageError: there is not enough room.
    """
    paths = [Path(source) for source in sources if source != STDIN]
    _check(folder, sum(path.stat().st_size for path in paths if path.is_file()), "preparation")


def check_room_to_train(work: Path, checkpoint: Path, corpus: PreparedCorpus, config: Config) -> None:
    """See that the checkpoints and the bundle of a run can be written.

    A checkpoint is written beside the one before, and the bundle while the last one is there.

    Args:
        work: the model's work folder.
        checkpoint: where checkpoints go; one that is there is replaced, so its room counts as free.
        corpus: what is trained on.
        config: fully resolved.

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
    """The arrays of a checkpoint: the weights, those of the best epoch, averages, and the optimizer's slots."""
    copies = 2 + bool(training.average_decay) + SLOTS[training.optimizer]
    return copies * FLOAT32_BYTES * parameters


def bundle_bytes(parameters: int, corpus: PreparedCorpus) -> int:
    """The weights of a bundle, and the files that it has from the corpus."""
    names = ("vocabulary", "characters")
    copied = [(corpus.folder / corpus.record.files[name]).stat().st_size for name in names]
    return FLOAT32_BYTES * parameters + sum(copied)


def _check(folder: Path, needed_bytes: int, what: str) -> None:
    disk = shutil.disk_usage(folder)
    # A file system that does not know its size says 0.
    if disk.total and disk.free < needed_bytes:
        raise StorageError(
            f"{folder}: not enough disk space; {what} needs at least {needed_bytes} bytes, {disk.free} are free"
        )
