"""Requests to `lmctl serve`: latency, throughput and memory with several numbers of clients.

python -m benchmarks.serving models/news valid.txt

Each client keeps one connection, and sends its next request as soon as it has the answer. The server that answers
in batches takes turns with one that answers requests one by one (`--batch 1`). The clients run in this process, so
on a machine with few cores they take time from the server.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import itertools
import json
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from benchmarks.processes import lmctl_program
from benchmarks.queries import sample_contexts

if TYPE_CHECKING:
    from collections.abc import Iterator

ANSWER_STARTS = b"HTTP/1.1 200 "


def main() -> None:
    """Print a row for each server and number of clients: medians of the rounds."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("model")
    parser.add_argument("text", type=Path, help="text from which contexts are taken; words between white space")
    parser.add_argument("--clients", type=int, nargs="*", default=[1, 8, 64])
    parser.add_argument("--seconds", type=float, default=5.0, help="length of a measurement")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--words", type=int, default=20, help="words of a context")
    parser.add_argument("-k", type=int, default=5, help="words in an answer")
    parser.add_argument("--batches", type=int, nargs="*", default=[64, 1], help="values of --batch")
    arguments = parser.parse_args()
    # More contexts than are asked for, so that none is answered from the state of an earlier one.
    contexts = sample_contexts(arguments.text, 200_000, arguments.words)
    bodies = map(_request, contexts, itertools.repeat(arguments.k))
    print("--batch\tclients\tp50 ms\tp99 ms\trequests/s\tpeak memory of the server")
    found: dict[tuple[int, int], list[tuple[float, float, float]]] = {}
    memory: dict[tuple[int, int], float] = {}
    for _ in range(arguments.rounds):
        for batch in arguments.batches:
            with _server(arguments.model, batch) as (process, port):
                for clients in arguments.clients:
                    seconds, spent = asyncio.run(_load(port, clients, bodies, arguments.seconds))
                    median, slow = 1000 * np.percentile(seconds, [50, 99])
                    found.setdefault((batch, clients), []).append((median, slow, len(seconds) / spent))
                    memory[batch, clients] = _peak_bytes(process.pid)
    for (batch, clients), rows in found.items():
        median, slow, rate = np.median(rows, axis=0)
        peak = memory[batch, clients] / 1e6
        print(f"{batch}\t{clients}\t{median:.2f}\t{slow:.2f}\t{rate:,.0f}\t{peak:.0f} MB")


@contextlib.contextmanager
def _server(model: str, batch: int) -> Iterator[tuple[subprocess.Popen[str], int]]:
    """A server that has answered its first requests."""
    command = [lmctl_program(), "serve", "-m", model, "--port", "0", "--batch", str(batch)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None  # noqa: S101
        port = int(process.stdout.readline().rstrip("/\n").rpartition(":")[2])
        try:
            warm = map(_request, [f"warm {number}" for number in range(1000)], itertools.repeat(1))
            asyncio.run(_load(port, 4, warm, 0.5))
            yield process, port
        finally:
            process.terminate()


def _request(context: str, k: int) -> bytes:
    body = json.dumps({"contexts": [context], "k": k}).encode()
    head = ("POST /v1/predict HTTP/1.1", "Host: localhost", "Content-Type: application/json")
    return "\r\n".join([*head, f"Content-Length: {len(body)}", "\r\n"]).encode() + body


async def _load(port: int, clients: int, bodies: Iterator[bytes], seconds: float) -> tuple[list[float], float]:
    """The seconds of each request of clients that ask for some time, and the seconds of them all."""
    found: list[float] = []
    began = time.perf_counter()
    end = began + seconds

    async def ask() -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        while (sent := time.perf_counter()) < end:
            body = next(bodies, None)
            if body is None:
                break
            writer.write(body)
            head = await reader.readuntil(b"\r\n\r\n")
            if not head.startswith(ANSWER_STARTS):
                raise ValueError(head)
            await reader.readexactly(int(head.partition(b"content-length: ")[2].split(b"\r", 1)[0]))
            found.append(time.perf_counter() - sent)
        writer.close()

    await asyncio.gather(*(ask() for _ in range(clients)))
    return found, time.perf_counter() - began


def _peak_bytes(process: int) -> int:
    status = Path(f"/proc/{process}/status").read_text(encoding="utf-8")
    return 1024 * int(status.split("VmHWM:")[1].split()[0])


if __name__ == "__main__":
    main()
