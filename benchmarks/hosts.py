"""Training by two processes, pinned to a core each, beside one process; and a model on paper of many hosts.

    python -m benchmarks.hosts CORPUS --preset medium large --steps 300

Measured, for each preset: tokens a second of one process on one core, of one process on two cores, and of two
workers on a core each (`lmctl train --workers`), with the same batch; and the bytes that the workers send over the
loopback interface in a step, so nothing else may use that interface. The first step, in which TensorFlow compiles,
is left out. Efficiency is the speed of two workers over twice that of one process on one core.

Computed, from the seconds t of a step of one process on two cores and the bytes G of its gradients: the speed of N
hosts with this processor, in multiples of one host's, if the network between them moves w bytes a second in each
direction. A ring sends 2 (N - 1) / N times G from every host (Patarasuk & Yuan 2009), so a step takes

    t + 2 (N - 1) / N * G / w      if every host has a batch of that size (N times as many columns a step), and
    t / N + 2 (N - 1) / N * G / w  at best, if the hosts share the columns of one batch.

Sending does not overlap with computing here, latency is left out, and so are the barriers before each step.
"""

from __future__ import annotations

import argparse
import json
import os
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.processes import lmctl_program

FLOAT_BYTES = 4
LOOPBACK_SENT = Path("/sys/class/net/lo/statistics/tx_bytes")
HOSTS = (2, 8, 64)
GIGABITS = (1, 10, 100)
POLL_SECONDS = 0.05


def main() -> None:
    """Print a table of measured speeds, and one of computed speeds."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("corpus", type=Path, help="a prepared corpus")
    parser.add_argument("--preset", nargs="+", default=["medium", "large"])
    parser.add_argument("--steps", type=int, default=300)
    parser.add_argument("--set", action="append", default=[], dest="assignments", metavar="KEY=VALUE")
    arguments = parser.parse_args()
    cores = sorted(os.sched_getaffinity(0))[:2]
    if len(cores) < 2:
        sys.exit("two cores are needed")
    print("preset\tprocesses, cores\ttokens/s\tms a step\tefficiency\tMB sent a step, all workers", flush=True)
    whole: dict[str, tuple[float, int]] = {}
    for preset in arguments.preset:
        options = [f"--set=preset={preset}", f"--set=training.steps={arguments.steps}"]
        options += ["--set=training.with_ngram=false", "--set=training.baseline=false"]
        options += [f"--set={text}" for text in arguments.assignments]
        one = train(arguments.corpus, [cores[:1]], options)
        both = train(arguments.corpus, [cores], options)
        two = train(arguments.corpus, [cores[:1], cores[1:]], options)
        for name, run in (("1, 1", one), ("1, 2", both), ("2, 1 each", two)):
            efficiency = f"{run.speed / 2 / one.speed:.2f}" if run is not one else ""
            sent = f"{run.bytes_a_step / 1e6:.1f}" if run is two else ""
            print(
                f"{preset}\t{name}\t{run.speed:,.0f}\t{1000 * run.step_seconds:.0f}\t{efficiency}\t{sent}",
                flush=True,
            )
        whole[preset] = both.step_seconds, FLOAT_BYTES * both.parameters
    print("\npreset\tG, MB\tGbit/s\thosts\tms of sending\tspeed, batches added\tspeed at best, one batch shared")
    for preset, (seconds, gradient_bytes) in whole.items():
        for gigabits in GIGABITS:
            for hosts in HOSTS:
                sending = ring_seconds(gradient_bytes, hosts, gigabits * 1e9 / 8)
                added = hosts * seconds / (seconds + sending)
                shared = seconds / (seconds / hosts + sending)
                speeds = f"{1000 * sending:.1f}\t{added:.1f}\t{shared:.1f}"
                print(f"{preset}\t{gradient_bytes / 1e6:.1f}\t{gigabits}\t{hosts}\t{speeds}")


def ring_seconds(gradient_bytes: int, hosts: int, bytes_a_second: float) -> float:
    """Seconds in which a ring of hosts sums arrays of this size, by the bytes that each of them sends."""
    return 2 * (hosts - 1) / hosts * gradient_bytes / bytes_a_second


class Run:
    """What the log of a training says.

    Args:
        log: the file of `--log-json` of the first process.

    Attributes:
        speed: tokens a second, without the first step.
        step_seconds: mean time of a step, between the first and the last event of progress.
        bytes_a_step: bytes that all processes sent over the loopback interface in a step, between these events.
        parameters: number of parameters of the network.
        is_over: whether the last step is done, and the validation after it.
    """

    def __init__(self, log: Path) -> None:
        self._log = log
        self._sent: list[tuple[int, int, float]] = []
        self.speed = 0.0
        self.parameters = 0
        self.is_over = False

    def look(self) -> None:
        """Read new lines of the log; note how many bytes have been sent by now."""
        sent, now = int(LOOPBACK_SENT.read_text()), time.perf_counter()
        lines = self._log.read_text().splitlines() if self._log.exists() else []
        events = [json.loads(line) for line in lines if line.endswith("}")]
        self.parameters = next((event["parameters"] for event in events if "parameters" in event), 0)
        self.is_over = any(event["event"] == "epoch_done" for event in events)
        steps = [event for event in events if event["event"] == "progress"]
        if steps and (not self._sent or steps[-1]["step"] > self._sent[-1][0]):
            self._sent.append((steps[-1]["step"], sent, now))
            self.speed = steps[-1]["tokens_per_second"]

    @property
    def bytes_a_step(self) -> float:
        """See the attributes of the class."""
        (first, before, _), (last, after, _) = self._ends()
        return (after - before) / (last - first)

    @property
    def step_seconds(self) -> float:
        """See the attributes of the class."""
        (first, _, began), (last, _, ended) = self._ends()
        return (ended - began) / (last - first)

    def _ends(self) -> tuple[tuple[int, int, float], tuple[int, int, float]]:
        if len(self._sent) < 2:
            sys.exit("the training was too short: its log needs two events of progress, 10 seconds apart; --steps")
        return self._sent[0], self._sent[-1]


def train(corpus: Path, cores: list[list[int]], options: list[str]) -> Run:
    """Train with one process for each set of cores, and return what was measured."""
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder) / "log"
        run = Run(log)
        command = [
            lmctl_program(),
            "train",
            str(corpus),
            "-o",
            f"{folder}/model",
            "--log-json",
            str(log),
            *options,
        ]
        addresses = ",".join(f"127.0.0.1:{port}" for port in _free_ports(len(cores)))
        processes = []
        for number, own in enumerate(cores):
            more = ["--workers", addresses, "--worker", str(number)] if len(cores) > 1 else []
            pinned = ["taskset", "--cpu-list", ",".join(map(str, own))]
            # The log belongs to the first.
            arguments = (
                command if not number else [part for part in command if part not in ("--log-json", str(log))]
            )
            processes.append(
                subprocess.Popen(
                    [*pinned, *arguments, *more], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
                )
            )
        # The figures of the finished model are not measured.
        while not run.is_over and all(process.poll() is None for process in processes):
            run.look()
            time.sleep(POLL_SECONDS)
        for process in processes:
            if process.poll():
                sys.exit(process.stderr.read() if process.stderr else "")
            process.kill()
            process.communicate()
    return run


def _free_ports(count: int) -> list[int]:
    sockets = [socket.socket() for _ in range(count)]
    for each in sockets:
        each.bind(("127.0.0.1", 0))
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports


if __name__ == "__main__":
    main()
