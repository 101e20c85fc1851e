"""The workers of a training on several hosts: their addresses, and which of them this process is."""

from __future__ import annotations

import re
import shutil
import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import msgspec
from msgspec import Meta

from lmctl.errors import UsageError, quoted

if TYPE_CHECKING:
    from collections.abc import Mapping

# Values of --workers that name a description in the environment in place of addresses.
TF_CONFIG, SLURM = "tf-config", "slurm"
# The ports of the workers of a Slurm step on one host begin here, as those of TensorFlow's SlurmClusterResolver.
FIRST_SLURM_PORT = 8888
LAST_PORT = 65_535
_ADDRESS = re.compile(r"(?P<host>[^\s:\[\]]+|\[[0-9A-Fa-f:.%a-z]+\]):(?P<port>[0-9]{1,5})")


@dataclass(frozen=True, slots=True)
class Cluster:
    """Workers that train one network together. Worker 0, the chief, alone saves checkpoints and publishes.

    Attributes:
        addresses: host:port of each worker, by its number.
        number: the number of this process.
    """

    addresses: tuple[str, ...]
    number: int

    def __len__(self) -> int:
        """Number of workers."""
        return len(self.addresses)

    @property
    def is_chief(self) -> bool:
        """Whether this process is worker 0."""
        return self.number == 0

    def name(self, number: int) -> str:
        """A worker's name in messages: its number and address."""
        return f"worker {number} ({self.addresses[number]})"

    def endpoint(self, number: int) -> tuple[str, int]:
        """Host and port of a worker; the host of an IPv6 address is without brackets."""
        host, _, port = self.addresses[number].rpartition(":")
        return host.strip("[]"), int(port)


def cluster_of(workers: str | None, number: int | None, environment: Mapping[str, str]) -> Cluster | None:
    """The cluster that a command line describes; None: there is none.

    Args:
        workers: value of --workers: HOST:PORT of each worker, separated by commas; "tf-config": as the variable
            TF_CONFIG says; "slurm": the tasks of a Slurm step. None: it was not given.
        number: value of --worker; None: it was not given.
        environment: the variables of the environment.

    Raises:
        UsageError: the description is not complete, contradicts itself, or has one worker.
    """
    if workers is None:
        if number is not None:
            raise UsageError(f"--worker {number}: expected --workers, too, with the addresses of all workers")
        return None
    if workers in (TF_CONFIG, SLURM):
        if number is not None:
            raise UsageError(
                f"--worker {number}: --workers {workers} says which worker this is; leave out --worker"
            )
        return _of_tf_config(environment) if workers == TF_CONFIG else _of_slurm(environment)
    if number is None:
        raise UsageError("--workers: expected --worker N, too: the number of this process in the list, from 0")
    return _checked(tuple(workers.split(",")), number, "--workers")


def _checked(addresses: tuple[str, ...], number: int, where: str) -> Cluster:
    for address in addresses:
        match = _ADDRESS.fullmatch(address)
        if match is None or not 0 < int(match["port"]) <= LAST_PORT:
            raise UsageError(f"{where}: expected HOST:PORT of each worker, got {quoted(address)}")
    if len(addresses) < 2:
        raise UsageError(f"{where}: expected at least two workers, got one; a single process needs no {where}")
    twice = [address for address in addresses if addresses.count(address) > 1]
    if twice:
        raise UsageError(f"{where}: {twice[0]} is there twice; each worker needs an address of its own")
    if not 0 <= number < len(addresses):
        raise UsageError(f"{where}: there are workers 0 to {len(addresses) - 1}, and this is worker {number}")
    return Cluster(addresses, number)


class _Task(msgspec.Struct, frozen=True):
    type: str
    index: Annotated[int, Meta(ge=0)]


class _TfConfig(msgspec.Struct, frozen=True):
    """TF_CONFIG, as TensorFlow's TFConfigClusterResolver reads it."""

    cluster: dict[str, list[str]]
    task: _Task


def _of_tf_config(environment: Mapping[str, str]) -> Cluster:
    """The cluster of TF_CONFIG. A task "chief" is the first worker."""
    text = environment.get("TF_CONFIG")
    if text is None:
        raise UsageError("--workers tf-config: the environment has no TF_CONFIG")
    try:
        described = msgspec.json.decode(text, type=_TfConfig)
    except (msgspec.MsgspecError, UnicodeEncodeError) as error:  # bytes in the environment that are not UTF-8
        raise UsageError(f"TF_CONFIG: not as TensorFlow describes a cluster: {error}") from error
    jobs, task = described.cluster, described.task
    chiefs, workers = jobs.get("chief", []), jobs.get("worker", [])
    if task.type not in ("chief", "worker") or not set(jobs) <= {"chief", "worker", "evaluator"}:
        raise UsageError(
            f"TF_CONFIG: expected a task chief or worker among jobs of these names, got task {quoted(task.type)} "
            f"of {quoted(', '.join(sorted(jobs)))}"
        )
    if task.index >= len(jobs.get(task.type, [])):
        raise UsageError(f"TF_CONFIG: this is {task.type} {task.index}, which the cluster does not have")
    number = task.index if task.type == "chief" else len(chiefs) + task.index
    return _checked((*chiefs, *workers), number, "TF_CONFIG")


def _of_slurm(environment: Mapping[str, str]) -> Cluster:
    """The cluster of the tasks of a Slurm step: one worker for each task, in the order of their ranks.

    TensorFlow's SlurmClusterResolver is not used: it sorts hosts by name, so that node10 comes before node2
    (TensorFlow 2.21).
    """
    try:
        rank = int(environment["SLURM_PROCID"])
        nodes = environment["SLURM_STEP_NODELIST"]
        tasks = _tasks_per_node(environment["SLURM_STEP_TASKS_PER_NODE"])
    except KeyError as error:
        raise UsageError(f"--workers slurm: the environment has no {error.args[0]}; start it with srun") from error
    except ValueError as error:
        raise UsageError(f"--workers slurm: the variables of Slurm are not as expected: {error}") from error
    hosts = _hosts(nodes)
    if len(hosts) != len(tasks):
        raise UsageError(f"--workers slurm: {len(hosts)} hosts, but numbers of tasks for {len(tasks)}")
    addresses = tuple(
        f"{host}:{FIRST_SLURM_PORT + task}"
        for host, count in zip(hosts, tasks, strict=True)
        for task in range(count)
    )
    return _checked(addresses, rank, "--workers slurm")


def _tasks_per_node(text: str) -> list[int]:
    """Read SLURM_STEP_TASKS_PER_NODE, such as "2(x3),1": three hosts with two tasks, and one with one.

    Raises:
        ValueError: the text is not of this form.
    """
    tasks: list[int] = []
    for part in text.split(","):
        match = re.fullmatch(r"([0-9]+)(?:\(x([0-9]+)\))?", part)
        if match is None:
            raise ValueError(f"SLURM_STEP_TASKS_PER_NODE is {quoted(text)}")
        tasks += [int(match[1])] * int(match[2] or 1)
    return tasks


def _hosts(nodes: str) -> list[str]:
    """The hosts of a Slurm list such as "node[01-03,7]", in Slurm's order.

    Raises:
        UsageError: Slurm's program scontrol, which expands lists, is missing or refuses this one.
    """
    program = shutil.which("scontrol")
    if program is None:
        raise UsageError("--workers slurm: Slurm's program scontrol is not on the PATH; name the workers instead")
    done = subprocess.run(  # noqa: S603  Slurm's own program, with a list that Slurm wrote
        [program, "show", "hostnames", nodes], capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise UsageError(
            f"--workers slurm: scontrol does not expand {quoted(nodes)}: {quoted(done.stderr.strip())}"
        )
    return done.stdout.split()
