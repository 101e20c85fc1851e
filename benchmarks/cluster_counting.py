"""Count n-grams of synthetic tokens in one process and in several: time, memory, and bytes in the scratch folder.

    python -m benchmarks.cluster_counting --tokens 200_000_000 --processes 1,2,4 --folder FOLDER

The words of the text follow Zipf's law, and are drawn independently, so it has more distinct n-grams than real
text: about three a token. Every row is a process of its own. The bytes are those of the arrays that steps read and
write; random access to mapped files is not in them. The time outside steps is the part that stays in one process.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
import tempfile
import threading
import time
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks.processes import measure
from lmctl.families.ngram.columns import Piece, Pieces
from lmctl.families.ngram.estimation import estimate
from lmctl.jobs.workers import workers

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

VOCABULARY, SENTENCE_WORDS, AT_ONCE = 100_000, 25, 1 << 20
SAMPLE_SECONDS = 0.2


def main() -> None:
    """Print a row for each number of processes."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--tokens", type=int, default=5_000_000)
    parser.add_argument("--order", type=int, default=5)
    parser.add_argument("--processes", default="1,2")
    parser.add_argument("--folder", type=Path, help="folder for the text and the scratch files")
    parser.add_argument("--one", type=int, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.one is not None:
        count(arguments.folder, arguments.order, arguments.one)
        return
    with tempfile.TemporaryDirectory(dir=arguments.folder) as temporary:
        folder = Path(temporary)
        np.save(folder / "tokens.npy", zipf_tokens(arguments.tokens))
        print(
            "processes\tseconds\tCPU seconds\tmemory, all\twritten\tread\tlargest scratch\ttables\t"
            "seconds outside steps\tSHA-256",
            flush=True,
        )
        for processes in map(int, arguments.processes.split(",")):
            command = ["--folder", str(folder), "--order", str(arguments.order), "--one", str(processes)]
            run = measure([sys.executable, "-m", "benchmarks.cluster_counting", *command])
            found = json.loads(run.output)
            sizes = "\t".join(f"{found[name] / 1e6:.0f} MB" for name in ("written", "read", "scratch", "tables"))
            print(
                f"{processes}\t{found['seconds']:.1f}\t{run.cpu_seconds:.1f}\t{run.peak_rss_bytes / 1e6:.0f} MB\t"
                f"{sizes}\t{found['outside']:.1f}\t{found['sha256'][:12]}",
                flush=True,
            )


def zipf_tokens(tokens: int) -> np.ndarray[Any, np.dtype[np.uint32]]:
    """Token ids whose frequencies follow Zipf's law; `</s>` (id 1) ends a sentence of 25 words on average."""
    generator = np.random.default_rng(1)
    weights = np.cumsum(1 / np.arange(1, VOCABULARY - 1))
    found = np.empty(tokens, dtype=np.uint32)
    for start in range(0, tokens, AT_ONCE):
        part = found[start : start + AT_ONCE]
        part[:] = 2 + np.searchsorted(weights / weights[-1], generator.random(len(part)))
        part[generator.random(len(part)) < 1 / SENTENCE_WORDS] = 1
    found[-1:] = 1
    return found


def count(folder: Path, order: int, processes: int) -> None:
    """Runs in a new process: count, and print the figures as JSON."""
    token_ids = np.load(folder / "tokens.npy", mmap_mode="r")
    with tempfile.TemporaryDirectory(dir=folder) as temporary:
        scratch, tables = Path(temporary) / "scratch", Path(temporary) / "tables"
        scratch.mkdir()
        tables.mkdir()
        seen = _Seen(workers(processes))
        done, largest = threading.Event(), [0]
        sampler = threading.Thread(target=_sample, args=(scratch, largest, done))
        sampler.start()
        began = time.perf_counter()
        estimate(
            token_ids,
            VOCABULARY,
            tables,
            order=order,
            smoothing="kneser-ney",
            quantize=8,
            scratch=scratch,
            workers=seen,
        )
        seconds = time.perf_counter() - began
        done.set()
        sampler.join()
        digest = hashlib.sha256()
        for path in sorted(tables.iterdir()):
            digest.update(path.name.encode() + path.read_bytes())
        figures = {
            "seconds": seconds,
            "outside": seconds - seen.seconds,
            "written": seen.written,
            "read": seen.read,
            "scratch": largest[0],
            "tables": sum(path.stat().st_size for path in tables.iterdir()),
            "sha256": digest.hexdigest(),
        }
    print(json.dumps(figures))


class _Seen:
    """A context of workers whose map adds up the bytes that items and results describe, and waits for results."""

    def __init__(self, inner: Any) -> None:
        self._inner = inner
        self.read = self.written = 0
        self.seconds = 0.0

    def __enter__(self) -> Callable[..., Iterator[Any]]:
        self._map = self._inner.__enter__()
        return self._seen

    def __exit__(self, *error: object) -> None:
        self._inner.__exit__(*error)

    def _seen(self, function: Any, items: Iterable[Any], /) -> Iterator[Any]:
        # A run is cut by a binary search, which reads few pages of it.
        counts_read = type(function).__name__ != "CutRun"

        def noted() -> Iterator[Any]:
            for item in items:
                self.read += _described_bytes(item) if counts_read else 0
                yield item

        results = iter(self._map(function, noted()))
        while True:
            began = time.perf_counter()
            try:
                result = next(results)
            except StopIteration:
                return
            finally:
                self.seconds += time.perf_counter() - began
            self.written += _described_bytes(result)
            yield result


def _described_bytes(value: Any) -> int:
    if isinstance(value, Piece):
        return value.length * value.dtype.itemsize
    if isinstance(value, Pieces):
        return sum(map(_described_bytes, value.parts))
    if isinstance(value, list | tuple):
        return sum(map(_described_bytes, value))
    if is_dataclass(value):
        return sum(_described_bytes(getattr(value, field.name)) for field in fields(value))
    return 0


def _sample(folder: Path, largest: list[int], done: threading.Event) -> None:
    while not done.wait(SAMPLE_SECONDS):
        total = 0
        for path in folder.rglob("*"):
            try:
                total += path.stat().st_size
            except OSError:
                continue
        largest[0] = max(largest[0], total)


if __name__ == "__main__":
    main()
