"""The processes that work is spread over: on this machine, or on a cluster."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lmctl.jobs.workers import workers

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager
    from pathlib import Path

    from lmctl.corpus.chunks import Split
    from lmctl.corpus.preparation import OrderedMap
    from lmctl.text.source_chunks import SourceChunk


def chunk_workers(jobs: int, scheduler: str | None) -> Callable[[Path], AbstractContextManager[OrderedMap]]:
    """The context in which chunks are worked on, given the scratch folder.

    Args:
        jobs: number of processes on this machine.
        scheduler: name of a cluster in place of them; None: none.
    """
    if scheduler is None:
        return lambda _scratch: workers(jobs)
    # Imported here, because it needs an extra.
    from lmctl.jobs.cluster.scheduled import scheduled

    return lambda scratch: scheduled(scheduler, scratch, _lines_of)


def estimation_workers(jobs: int, scheduler: str | None, scratch: Path) -> AbstractContextManager[OrderedMap]:
    """The context in which the steps of an estimation are done.

    Args:
        jobs: number of processes on this machine.
        scheduler: name of a cluster in place of them; None: none.
        scratch: an absolute path that the workers of the cluster see.
    """
    if scheduler is None:
        return workers(jobs)
    from lmctl.jobs.cluster.scheduled import scheduled

    return scheduled(scheduler, scratch, lambda _item: "a step of counting n-grams")


def _lines_of(numbered: tuple[int, tuple[SourceChunk, Split]]) -> str:
    """The source of a chunk and its lines, for a message."""
    chunk = numbered[1][0]
    last = max(chunk.content.count(b"\n") - chunk.content.endswith(b"\n"), 0)
    return f"{chunk.source}: lines {chunk.line_number(0)} to {chunk.line_number(last)}"
