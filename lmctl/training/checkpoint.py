"""A checkpoint: all that the next step of a training run depends on, in one file.

The file is a SHA-256 and what it is of: safetensors, whose metadata is the rest as JSON. Being one file, it is
replaced by one rename; being hashed, it is never believed when it is damaged. Random numbers need no state: they
follow from seed and step.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
import numpy as np
from msgspec import Meta

from lmctl import files
from lmctl.errors import DataError
from lmctl.perplexity import perplexity_of
from lmctl.records import decode_record, read_regular, shortened
from lmctl.training.events import EpochDone

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from numpy.typing import NDArray

DIGEST_BYTES = 32
METADATA = "checkpoint"
# What the names of the arrays of the network's state begin with.
STATE = "state/"
# Far above what trains on one machine.
LARGEST_BYTES = 1 << 40

_Count = Annotated[int, Meta(ge=0, le=1 << 60)]
_Amount = Annotated[float, Meta(ge=0)]


class RunIdentity(msgspec.Struct, frozen=True, kw_only=True):
    """What two runs must share for the one to continue the other.

    Attributes:
        corpus: the hashes of the prepared corpus.
        configuration: the resolved configuration, but for what becomes of the model.
        threads: how many threads compute, which decides the order of sums.
        versions: of the packages that compute.
        old_model: the SHA-256 of the model whose weights it started from; None: random weights.
    """

    corpus: dict[str, str]
    configuration: str
    threads: int
    versions: dict[str, str]
    old_model: str | None = None

    def difference(self, other: RunIdentity) -> str | None:
        """What is not the same, in a word or two; None if nothing is."""
        names = {
            "corpus": "corpus",
            "configuration": "configuration",
            "old_model": "model to start from",
            "threads": "thread count",
        }
        for name, words in names.items():
            if getattr(self, name) != getattr(other, name):
                return words
        return None if self.versions == other.versions else "package version"


class Progress(msgspec.Struct, kw_only=True):
    """How far a run is: what changes while it trains, beside arrays.

    Attributes:
        epoch: the epoch that is next or in progress, from 0.
        epoch_steps: how many of its steps are done.
        epoch_tokens: targets of those.
        epoch_nats: their summed cross-entropy.
        epoch_seconds: time spent on them.
        step: steps in all.
        tokens: targets of the epochs before.
        planned_steps: `training.steps`, or what a time limit was turned into.
        validation_tokens: how many tokens of the validation text are scored; None: all. A short time limit leaves
            no time for all.
        rate: the last learning rate.
        decays: how often a plateau has lowered it.
        best_nats: of the validation text in the best epoch.
        best_epoch: its number, from 1; 0 if there is none yet.
        epochs_without_improvement: since then.
        average_updates: looks at the weights by their running average.
        seconds: spent on the run, in all.
        device: where it ran, in words; another one sums in another order.
        history: the epochs before.
    """

    epoch: _Count = 0
    epoch_steps: _Count = 0
    epoch_tokens: _Count = 0
    epoch_nats: float = 0.0
    epoch_seconds: _Amount = 0.0
    step: _Count = 0
    tokens: _Count = 0
    planned_steps: _Count | None = None
    validation_tokens: _Count | None = None
    rate: _Amount = 0.0
    decays: _Count = 0
    best_nats: float | None = None
    best_epoch: _Count = 0
    epochs_without_improvement: _Count = 0
    average_updates: _Count = 0
    seconds: _Amount = 0.0
    device: str = ""
    history: list[EpochDone] = []

    def __post_init__(self) -> None:
        """Refuse a best epoch that has not been, and steps that nothing was read in."""
        if self.best_epoch > len(self.history):
            raise ValueError(f"the best epoch is {self.best_epoch} of {len(self.history)}")
        if self.epoch_steps and not self.epoch_tokens:
            raise ValueError(f"{self.epoch_steps} steps of no tokens")

    @property
    def epoch_perplexity(self) -> float:
        """Of the epoch in progress, after its first step."""
        return perplexity_of(self.epoch_nats / self.epoch_tokens)

    def epoch_done(self, done: EpochDone) -> None:
        """Put an epoch into the history, and stand before the next."""
        self.history.append(done)
        self.epoch += 1
        self.epoch_steps = self.epoch_tokens = 0
        self.epoch_nats = self.epoch_seconds = 0.0


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A run between two steps.

    Attributes:
        progress: its numbers.
        arrays: weights, optimizer slots, averages, the best epoch's weights, all float32; and the network's state,
            which a family may keep in numbers of another kind; by name.
    """

    progress: Progress
    arrays: Mapping[str, NDArray[Any]]

    def part(self, prefix: str) -> dict[str, NDArray[Any]]:
        """The arrays whose names begin with `prefix/`, by the rest of their names."""
        start = f"{prefix}/"
        return {name.removeprefix(start): array for name, array in self.arrays.items() if name.startswith(start)}


class _Metadata(msgspec.Struct, frozen=True):
    checkpoint: str


class _Header(msgspec.Struct, frozen=True):
    """The part of a safetensors header that is ours."""

    metadata: _Metadata = msgspec.field(name="__metadata__")


class _Document(msgspec.Struct, frozen=True):
    identity: RunIdentity
    progress: Progress


def write_checkpoint(
    path: Path, identity: RunIdentity, checkpoint: Checkpoint, beside: Path | None = None
) -> None:
    """Write a checkpoint in the place of the one before; `beside` as in `files.written_whole`.

    Raises:
        OSError: it cannot be written; the one before stays.
    """
    import safetensors.numpy

    document = msgspec.json.encode(_Document(identity, checkpoint.progress)).decode()
    arrays = {name: np.ascontiguousarray(array) for name, array in checkpoint.arrays.items()}
    content = safetensors.numpy.save(arrays, metadata={METADATA: document})
    with files.written_whole(path, beside) as file:
        file.write(hashlib.sha256(content).digest())
        file.write(content)


def read_checkpoint(path: Path, most_bytes: int = LARGEST_BYTES) -> tuple[RunIdentity, Checkpoint] | None:
    """The checkpoint in a file; None if there is no such file.

    Args:
        path: of the file.
        most_bytes: a larger one is refused before it is read.

    Raises:
        DataError: it is damaged.
    """
    import safetensors
    import safetensors.numpy

    if path.is_symlink():
        raise DataError(f"{path}: is a link; expected a checkpoint")
    try:
        content = read_regular(path, most_bytes)
    except FileNotFoundError:
        return None
    digest, body = content[:DIGEST_BYTES], content[DIGEST_BYTES:]
    del content  # a checkpoint is five times as large as the model
    if hashlib.sha256(body).digest() != digest:
        raise DataError(f"{path}: damaged; its content does not have the hash it begins with")
    header_bytes = int.from_bytes(body[:8], "little")
    where = f"{path}: not a checkpoint of this version"
    header = decode_record(body[8 : 8 + header_bytes], _Header, where)
    document = decode_record(header.metadata.checkpoint.encode(), _Document, where)
    try:
        arrays = safetensors.numpy.load(body)
    except (safetensors.SafetensorError, KeyError, ValueError, TypeError, AttributeError) as error:
        raise DataError(f"{where}; {shortened(str(error))}") from error
    for name, array in sorted(arrays.items()):
        expected = "numbers" if name.startswith(STATE) else "float32 numbers"
        if (array.dtype != np.float32 and not name.startswith(STATE)) or not np.isfinite(array).all():
            raise DataError(f"{path}: damaged; {shortened(name)} has values that are no finite {expected}")
    return document.identity, Checkpoint(document.progress, arrays)
