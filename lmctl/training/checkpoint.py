"""A checkpoint: the saved state of a training that has not ended, in one file.

The file holds a SHA-256 and the safetensors content that it is computed from. The metadata of the safetensors
hold the numbers as JSON. One rename replaces the file, and the hash reveals damage. Random numbers need no state,
because they follow from seed and step.
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
from lmctl.store.tensors import pieces_of, tensors_in
from lmctl.training.events import EpochDone

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from numpy.typing import NDArray

DIGEST_BYTES = 32
METADATA = "checkpoint"
# The prefix of the names of the arrays of the network's state.
STATE = "state/"
# More bytes than any network that trains on one machine.
LARGEST_BYTES = 1 << 40

_Count = Annotated[int, Meta(ge=0, le=1 << 60)]
_Amount = Annotated[float, Meta(ge=0)]


class RunIdentity(msgspec.Struct, frozen=True, kw_only=True):
    """The inputs that must be equal in two runs, so that one can continue the other.

    Attributes:
        corpus: hashes of the prepared corpus.
        configuration: the resolved configuration, without the keys of publishing.
        threads: number of threads, which decides the order of sums.
        versions: versions of the packages that compute.
        old_model: SHA-256 of the older model of a warm start; None: random weights.
        old_text: of a warm start, the number of sentences of each training text, and how many of them, at its
            start, the older model was trained on. They decide what is read.
    """

    corpus: dict[str, str]
    configuration: str
    threads: int
    versions: dict[str, str]
    old_model: str | None = None
    old_text: list[tuple[int, int]] = []

    def difference(self, other: RunIdentity) -> str | None:
        """Return the name of the first input that differs, in a word or two; None if all are equal."""
        names = {
            "corpus": "corpus",
            "configuration": "configuration",
            "old_model": "model to start from",
            "old_text": "division into old and new text",
            "threads": "thread count",
        }
        for name, words in names.items():
            if getattr(self, name) != getattr(other, name):
                return words
        return None if self.versions == other.versions else "package version"


class Progress(msgspec.Struct, kw_only=True):
    """The numbers of a run that change while it trains.

    Attributes:
        epoch: the epoch that is next or in progress, from 0.
        epoch_steps: number of steps of this epoch that are done.
        epoch_tokens: number of targets in these steps.
        epoch_nats: summed cross-entropy of these targets, in nats.
        epoch_seconds: time that these steps took.
        step: number of steps of the whole run.
        tokens: number of targets in the epochs before.
        planned_steps: `training.steps`, or the steps planned for a time limit; None if epochs were planned.
        validation_tokens: number of tokens of the validation text that are scored, if a time limit leaves no time
            for all; None: all.
        rate: the last learning rate.
        decays: how often schedule plateau has lowered the learning rate.
        best_nats: cross-entropy of the validation text in the best epoch, in nats a token.
        best_tokens: number of tokens of the validation text that this is of.
        best_segments: of a run with a time limit, the cross-entropy of each of their segments, summed in nats.
        best_epoch: number of the best epoch, from 1; 0 if there is none yet.
        epochs_without_improvement: number of epochs since the best one.
        average_updates: number of updates of the averaged weights.
        seconds: time that the whole run took.
        device: name of the device. Another device may sum in another order.
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
    best_tokens: _Count = 0
    best_segments: list[float] = []
    best_epoch: _Count = 0
    epochs_without_improvement: _Count = 0
    average_updates: _Count = 0
    seconds: _Amount = 0.0
    device: str = ""
    history: list[EpochDone] = []

    def __post_init__(self) -> None:
        """Refuse a best epoch that is not in the history, and steps without tokens."""
        if self.best_epoch > len(self.history):
            raise ValueError(f"the best epoch is {self.best_epoch} of {len(self.history)}")
        if self.epoch_steps and not self.epoch_tokens:
            raise ValueError(f"{self.epoch_steps} steps of no tokens")

    @property
    def epoch_perplexity(self) -> float:
        """Training perplexity of the epoch in progress; it needs at least one step."""
        return perplexity_of(self.epoch_nats / self.epoch_tokens)

    def epoch_done(self, done: EpochDone) -> None:
        """Add an epoch to the history, and start the next one."""
        self.history.append(done)
        self.epoch += 1
        self.epoch_steps = self.epoch_tokens = 0
        self.epoch_nats = self.epoch_seconds = 0.0


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """The state of a run between two steps.

    Attributes:
        progress: its numbers.
        arrays: by name: weights, optimizer slots, averaged weights and the weights of the best epoch, all float32;
            and the hidden state of the network, in a dtype that the family chooses.
    """

    progress: Progress
    arrays: Mapping[str, NDArray[Any]]

    def part(self, prefix: str) -> dict[str, NDArray[Any]]:
        """Return the arrays whose names begin with `prefix/`, by names without the prefix."""
        start = f"{prefix}/"
        return {name.removeprefix(start): array for name, array in self.arrays.items() if name.startswith(start)}


class _Metadata(msgspec.Struct, frozen=True):
    checkpoint: str


class _Header(msgspec.Struct, frozen=True):
    """The metadata in a safetensors header."""

    metadata: _Metadata = msgspec.field(name="__metadata__")


class _Document(msgspec.Struct, frozen=True):
    identity: RunIdentity
    progress: Progress


def write_checkpoint(
    path: Path, identity: RunIdentity, checkpoint: Checkpoint, beside: Path | None = None
) -> None:
    """Write a checkpoint, which replaces the one before; `beside` as in `files.written_whole`.

    The arrays are written one by one: a checkpoint is five times as large as the model.

    Raises:
        OSError: it cannot be written; the checkpoint before stays.
    """
    document = msgspec.json.encode(_Document(identity, checkpoint.progress)).decode()
    digest = hashlib.sha256()
    with files.written_whole(path, beside) as file:
        file.write(bytes(DIGEST_BYTES))
        for piece in pieces_of(checkpoint.arrays, {METADATA: document}):
            digest.update(piece)
            file.write(piece)
        file.seek(0)
        file.write(digest.digest())


def read_checkpoint(path: Path, most_bytes: int = LARGEST_BYTES) -> tuple[RunIdentity, Checkpoint] | None:
    """Read a checkpoint; None if there is no such file.

    Args:
        path: of the file.
        most_bytes: largest size; a larger file is refused before it is read.

    Raises:
        DataError: the file is damaged, too large, or a link.
    """
    if path.is_symlink():
        raise DataError(f"{path}: expected a checkpoint, got a link")
    try:
        content = read_regular(path, most_bytes)
    except FileNotFoundError:
        return None
    # Views, without copies: a checkpoint is five times as large as the model.
    body = memoryview(content)[DIGEST_BYTES:]
    if hashlib.sha256(body).digest() != content[:DIGEST_BYTES]:
        raise DataError(f"{path}: damaged; its content does not match its hash")
    header_bytes = int.from_bytes(body[:8], "little")
    where = f"{path}: not a checkpoint of this version"
    header = decode_record(bytes(body[8 : 8 + header_bytes]), _Header, where)
    document = decode_record(header.metadata.checkpoint.encode(), _Document, where)
    arrays = tensors_in(body, where)
    for name, array in sorted(arrays.items()):
        expected = "numbers" if name.startswith(STATE) else "float32 numbers"
        if (array.dtype != np.float32 and not name.startswith(STATE)) or not np.isfinite(array).all():
            raise DataError(f"{path}: damaged; {shortened(name)} is not an array of finite {expected}")
    return document.identity, Checkpoint(document.progress, arrays)
