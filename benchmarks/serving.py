"""Requests to `lmctl serve`: latency, throughput and memory with several numbers of clients, or beside streams.

python -m benchmarks.serving models/news valid.txt
python -m benchmarks.serving models/news valid.txt --streams 0 1 8

Each client keeps one connection, and sends its next request as soon as it has the answer. The server that answers
in batches takes turns with one that answers requests one by one (`--batch 1`). The clients run in this process, so
on a machine with few cores they take time from the server.

With --streams, clients read texts in pieces, each the next one as soon as the last one has ended: first alone, and
then beside one client that asks for next words. The first word comes after the prompt, which is the first piece.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import itertools
import json
import subprocess
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks.processes import lmctl_program, peak_rss_bytes
from benchmarks.queries import sample_contexts

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

ANSWER_STARTS = b"HTTP/1.1 200 "


def main() -> None:
    """Print a row for each server and number of clients or streams: medians of the rounds."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("model")
    parser.add_argument("text", type=Path, help="text from which contexts are taken; words between white space")
    parser.add_argument("--clients", type=int, nargs="*", default=[1, 8, 64])
    parser.add_argument("--seconds", type=float, default=5.0, help="length of a measurement")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--words", type=int, default=20, help="words of a context")
    parser.add_argument("-k", type=int, default=5, help="words in an answer")
    parser.add_argument("--batches", type=int, nargs="*", default=[64, 1], help="values of --batch")
    parser.add_argument(
        "--streams", type=int, nargs="*", default=[], help="numbers of streams, in place of clients"
    )
    parser.add_argument("--stream-words", type=int, default=100, help="words of each streamed text")
    arguments = parser.parse_args()
    # More contexts than are asked for, so that none is answered from the state of an earlier one.
    contexts = sample_contexts(arguments.text, 200_000, arguments.words)
    bodies = map(_request, contexts, itertools.repeat(arguments.k))
    if arguments.streams:
        _show_streams(arguments, contexts, bodies)
    else:
        _show_clients(arguments, bodies)


def _show_clients(arguments: argparse.Namespace, bodies: Iterator[bytes]) -> None:
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
                    memory[batch, clients] = peak_rss_bytes(process.pid)
    for (batch, clients), rows in found.items():
        median, slow, rate = np.median(rows, axis=0)
        peak = memory[batch, clients] / 1e6
        print(f"{batch}\t{clients}\t{median:.2f}\t{slow:.2f}\t{rate:,.0f}\t{peak:.0f} MB")


def _show_streams(arguments: argparse.Namespace, contexts: Sequence[str], bodies: Iterator[bytes]) -> None:
    print(
        "--batch\tstreams\tfirst word p50 ms\tp99 ms\twords/s\tpredict beside them p50 ms\tp99 ms\trequests/s"
        "\twords/s then\tpeak memory of the server"
    )
    prompts = map(_stream_request, reversed(contexts), itertools.count(), itertools.repeat(arguments.stream_words))
    found: dict[tuple[int, int], list[list[float]]] = {}
    for _ in range(arguments.rounds):
        for batch in arguments.batches:
            with _server(arguments.model, batch) as (process, port):
                asyncio.run(_streams(port, 1, prompts, 0.5))
                for streams in arguments.streams:
                    alone = asyncio.run(_streams(port, streams, prompts, arguments.seconds))
                    beside, (seconds, spent) = asyncio.run(
                        _both(port, streams, prompts, bodies, arguments.seconds)
                    )
                    found.setdefault((batch, streams), []).append(
                        [
                            *(1000 * np.percentile(alone.first_words or [np.nan], [50, 99])),
                            alone.words / arguments.seconds,
                            *(1000 * np.percentile(seconds, [50, 99])),
                            len(seconds) / spent,
                            beside.words / arguments.seconds,
                            peak_rss_bytes(process.pid) / 1e6,
                        ]
                    )
    for (batch, streams), rows in found.items():
        first, slow_first, words, median, slow, rate, words_then, peak = np.median(rows, axis=0)
        first_words = f"{first:.1f}\t{slow_first:.1f}" if streams else "-\t-"
        print(
            f"{batch}\t{streams}\t{first_words}\t{words:,.0f}\t{median:.2f}\t{slow:.2f}"
            f"\t{rate:,.0f}\t{words_then:,.0f}\t{peak:.0f} MB"
        )


@contextlib.contextmanager
def _server(model: str, batch: int) -> Iterator[tuple[subprocess.Popen[str], int]]:
    """A server that has answered its first requests."""
    command = [
        lmctl_program(),
        "serve",
        "-m",
        model,
        "--port",
        "0",
        "--batch",
        str(batch),
        "--most-seconds",
        "600",
    ]
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
    return _post("predict", {"contexts": [context], "k": k})


def _stream_request(prompt: str, seed: int, words: int) -> bytes:
    return _post("generate", {"prompts": [prompt], "seed": seed, "words": words, "stream": True})


def _post(endpoint: str, asked: dict[str, Any]) -> bytes:
    body = json.dumps(asked).encode()
    head = (f"POST /v1/{endpoint} HTTP/1.1", "Host: localhost", "Content-Type: application/json")
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


@dataclass(slots=True)
class _Streamed:
    """What clients have read: the seconds from each request to its first word, and the number of words of all."""

    first_words: list[float] = field(default_factory=list)
    words: int = 0


async def _streams(port: int, streams: int, requests: Iterator[bytes], seconds: float) -> _Streamed:
    """Read streams for some time; those that have not ended then are cut off."""
    found = _Streamed()

    async def read() -> None:
        while True:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            try:
                sent = time.perf_counter()
                writer.write(next(requests))
                head = await reader.readuntil(b"\r\n\r\n")
                if not head.startswith(ANSWER_STARTS):
                    raise ValueError(head)
                pieces = 0
                while (line := await reader.readline()) != b"data: [DONE]\n":
                    if not line or line.startswith(b"event: error"):
                        raise ValueError(line + await reader.readline())
                    if b'"piece":' in line:
                        pieces += 1
                        if pieces == 2:
                            found.first_words.append(time.perf_counter() - sent)
                        found.words += pieces > 1
            finally:
                writer.close()

    # A failure ends all of them at once, and is shown.
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds), asyncio.TaskGroup() as group:
            for _ in range(streams):
                group.create_task(read())
            await asyncio.sleep(seconds)
    return found


async def _both(
    port: int, streams: int, requests: Iterator[bytes], bodies: Iterator[bytes], seconds: float
) -> tuple[_Streamed, tuple[list[float], float]]:
    """Read streams, and ask for next words beside them."""
    return await asyncio.gather(_streams(port, streams, requests, seconds), _load(port, 1, bodies, seconds))


if __name__ == "__main__":
    main()
