"""Throughput and memory of `lmctl prepare` on a large input, made by repeating a text.

python -m benchmarks.prepare wikitext-2/train.txt zh-wiki/train.txt --megabytes 1000 --jobs 1 2 4 --workers 1 2 4
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

from benchmarks.processes import lmctl_program, measure


def main() -> None:
    """Print a row for each text and number of processes."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("texts", nargs="+", type=Path)
    parser.add_argument("--megabytes", type=int, default=200, help="size of the input")
    parser.add_argument("--jobs", type=int, nargs="*", default=[1, 2])
    parser.add_argument(
        "--workers", type=int, nargs="*", default=[], help="workers of a Dask cluster on this machine"
    )
    arguments = parser.parse_args()
    print("text\tMB\tprocesses\tseconds\tMB/s a process\tpeak RSS, all processes")
    with tempfile.TemporaryDirectory() as scratch:
        for text in arguments.texts:
            large = Path(scratch) / "large.txt"
            repeat(text, large, arguments.megabytes * 1_000_000)
            megabytes = large.stat().st_size / 1e6
            runs = [(jobs, "--jobs", str(jobs)) for jobs in arguments.jobs]
            runs += [(workers, "--scheduler", f"local:{workers}") for workers in arguments.workers]
            for processes, option, value in runs:
                folder = Path(scratch) / "prepared"
                run = measure([lmctl_program(), "prepare", str(large), "-o", str(folder), option, value])
                print(
                    f"{text}\t{megabytes:.0f}\t{option} {value}\t{run.seconds:.1f}\t"
                    f"{megabytes / run.seconds / processes:.1f}\t{run.peak_rss_bytes / 1e6:.0f} MB",
                    flush=True,
                )


def repeat(text: Path, large: Path, size_bytes: int) -> None:
    """Write copies of a text one after the other, until there are `size_bytes`."""
    content = text.read_bytes()
    with large.open("wb") as file:
        while file.tell() < size_bytes:
            file.write(content)


if __name__ == "__main__":
    main()
