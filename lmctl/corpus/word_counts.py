"""Counting the words of the training text, in bounded memory."""

from __future__ import annotations

import heapq
import itertools
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

# About 200 MB of Python strings and integers. With more distinct words, the counts are written to disk.
MOST_COUNTS_IN_MEMORY = 1_500_000


class WordCounts:
    """Counts of distinct words: in memory if they are few, else in sorted files ("runs") on disk.

    Args:
        scratch: folder for the runs.

    Attributes:
        total: number of words counted.
    """

    def __init__(self, scratch: Path) -> None:
        self.total = 0
        self._scratch = scratch
        self._counts: dict[str, int] = {}
        self._runs: list[Path] = []

    def add(self, words: Sequence[str], counts: Sequence[int]) -> None:
        """Add the counts of one chunk. A word of validation lines alone has count 0, and is skipped."""
        table = self._counts
        get = table.get
        for word, count in zip(words, counts, strict=True):
            if count:
                table[word] = get(word, 0) + count
        self.total += sum(counts)
        if len(table) > MOST_COUNTS_IN_MEMORY:
            self._spill()

    def items(self) -> Iterator[tuple[str, int]]:
        """Every distinct word with its count, in any order."""
        if not self._runs:
            yield from self._counts.items()
            return
        self._spill()
        # The merged runs have the entries of a word one after the other.
        merged = heapq.merge(*map(_read_run, self._runs))
        for word, group in itertools.groupby(merged, key=lambda entry: entry[0]):
            yield word, sum(count for _, count in group)

    def _spill(self) -> None:
        if not self._counts:
            return
        path = self._scratch / f"counts-{len(self._runs):04d}"
        with path.open("w", encoding="utf-8", errors="surrogatepass", newline="\n") as run:
            run.writelines(f"{word}\t{count}\n" for word, count in sorted(self._counts.items()))
        self._runs.append(path)
        self._counts.clear()


def _read_run(path: Path) -> Iterator[tuple[str, int]]:
    with path.open(encoding="utf-8", errors="surrogatepass", newline="\n") as run:
        for line in run:
            word, _, count = line.rpartition("\t")
            yield word, int(count)
