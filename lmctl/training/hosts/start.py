"""The start of a training on several hosts: all workers meet, and get the state that the chief starts from."""

from __future__ import annotations

import dataclasses
import hashlib
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import msgspec
import safetensors.numpy

from lmctl.config import DeviceConfig, PublishingConfig, seconds_of
from lmctl.errors import joined
from lmctl.training.checkpoint import Checkpoint, Progress
from lmctl.training.hosts.link import Link
from lmctl.training.hosts.meeting import meet
from lmctl.training.time_limit import TimeLimit
from lmctl.version import __version__, package_version

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from lmctl.arrays import Float32Array
    from lmctl.config import Config
    from lmctl.corpus.prepared import PreparedCorpus
    from lmctl.training.devices import Device
    from lmctl.training.hosts.cluster import Cluster

# Packages whose versions decide what a worker computes.
COMPUTING_PACKAGES = ("tensorflow", "keras", "numpy")
# Parts of a checkpoint that only the chief needs.
OF_THE_CHIEF = ("best/",)


def join_workers(
    device: Device, cluster: Cluster, corpus: PreparedCorpus, config: Config, interrupted: Callable[[], bool]
) -> Device:
    """Meet the other workers, and connect this worker's device with theirs.

    Args:
        device: the device of this worker, without a strategy.
        cluster: the workers.
        corpus: the prepared corpus.
        config: the resolved configuration.
        interrupted: whether a signal has asked this worker to end.

    Returns:
        The devices of all workers as one, with the link between them.

    Raises:
        AddressError: the port of this worker is taken, or its host is not this machine.
        WorkerLostError: a worker did not come in time.
        UsageError: a worker has other inputs, or two processes are the same worker.
    """
    seconds = seconds_of(config.device.timeout)
    devices = meet(cluster, _inputs(device, corpus, config), device.description, seconds, interrupted)
    link = Link(cluster, seconds, interrupted)
    same = len(set(devices)) == 1
    description = f"{len(cluster)} workers, {f'each on {devices[0]}' if same else 'on ' + joined(devices)}"
    return dataclasses.replace(device, description=description, strategy=link.strategy, link=link)


def _inputs(device: Device, corpus: PreparedCorpus, config: Config) -> dict[str, str]:
    """What must be equal on all workers. Threads may differ, and where models are published."""
    alike = msgspec.structs.replace(config, publishing=PublishingConfig(), device=DeviceConfig())
    sections = {name: keys for name, keys in msgspec.to_builtins(alike).items() if isinstance(keys, dict)}
    files = "".join(sorted(corpus.record.files.values()))
    return {
        "version of lmctl": __version__,
        **{f"version of {name}": package_version(name) for name in COMPUTING_PACKAGES},
        "corpus": hashlib.sha256(files.encode()).hexdigest(),
        **{f"{name}.{key}": str(value) for name, keys in sections.items() for key, value in keys.items()},
        "kind of device": "GPU" if device.is_gpu else "CPU",
        "precision": device.precision,
    }


@dataclass(frozen=True, slots=True)
class Start:
    """What a training starts from. The chief has it, and the other workers get it.

    Attributes:
        time_limit: the time limit; None: there is none.
        initial_weights: weights to start from; None: random weights.
        resume_from: the checkpoint to continue from; None: train from the start.
        save_every_seconds: time between two checkpoints.
        curve_points: number of points of the validation curve.
    """

    time_limit: TimeLimit | None = None
    initial_weights: Mapping[str, Float32Array] | None = None
    resume_from: Checkpoint | None = None
    save_every_seconds: float = math.inf
    curve_points: int = 0


class _Record(msgspec.Struct, frozen=True):
    """The numbers of a start."""

    time_limit: tuple[float, float, float] | None
    has_weights: bool
    progress: Progress | None
    save_every_seconds: float | None
    curve_points: int


def share_start(link: Link, start: Start) -> Start:
    """Give the start of the chief to all workers.

    The chief may come late: it counts n-grams first. While it lives, the others wait.

    Args:
        link: the workers.
        start: the start of this worker; only that of the chief matters.

    Returns:
        The same start for all workers. Its time limit has the clock that they share.

    Raises:
        WorkerLostError: a worker was lost.
    """
    if link.cluster.is_chief:
        link.broadcast(_encoded(start), seconds=math.inf)
        shared = start
        terms = None if start.time_limit is None else start.time_limit.terms
    else:
        record, arrays = _decoded(link.broadcast(None, seconds=math.inf))
        checkpoint = None if record.progress is None else Checkpoint(record.progress, arrays)
        shared = Start(
            initial_weights=arrays if record.has_weights else None,
            resume_from=checkpoint,
            save_every_seconds=math.inf if record.save_every_seconds is None else record.save_every_seconds,
            curve_points=record.curve_points,
        )
        terms = record.time_limit
    link.synchronize()
    limit = None if terms is None else TimeLimit(terms[0], terms[1], seconds_needed=terms[2], clock=link.now)
    return dataclasses.replace(shared, time_limit=limit)


def _encoded(start: Start) -> bytes:
    """A start as bytes: the length of a record, the record, and arrays as safetensors."""
    arrays: dict[str, Any] = {}
    progress = None
    if start.resume_from is not None:
        progress = start.resume_from.progress
        arrays = {
            name: array for name, array in start.resume_from.arrays.items() if not name.startswith(OF_THE_CHIEF)
        }
    elif start.initial_weights is not None:
        arrays = dict(start.initial_weights)
    record = msgspec.msgpack.encode(
        _Record(
            time_limit=None if start.time_limit is None else start.time_limit.terms,
            has_weights=progress is None and start.initial_weights is not None,
            progress=progress,
            save_every_seconds=start.save_every_seconds if math.isfinite(start.save_every_seconds) else None,
            curve_points=start.curve_points,
        )
    )
    return len(record).to_bytes(8, "little") + record + safetensors.numpy.save(arrays)


def _decoded(content: bytes) -> tuple[_Record, dict[str, Any]]:
    end = 8 + int.from_bytes(content[:8], "little")
    return msgspec.msgpack.decode(content[8:end], type=_Record), safetensors.numpy.load(content[end:])
