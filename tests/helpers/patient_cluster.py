"""A cluster on this machine whose limits of time decide no test."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

import pytest
from steerable import hear_nothing_for_long
from waiting import LONGEST_SECONDS

from lmctl.jobs.cluster import connection, local, steered
from lmctl.jobs.cluster.connection import Connection
from lmctl.jobs.cluster.local import local_cluster

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

# On a busy machine, the processes of a cluster may stand still for longer than these limits.
LIMITS = (
    (local, "SECONDS_TO_START"),
    (connection, "SECONDS_TO_ANSWER"),
    (connection, "SECONDS_FOR_WORKERS"),
    (steered, "SECONDS_TO_STOP"),
)


@contextlib.contextmanager
def patient_cluster(workers: int, folder: Path) -> Iterator[str]:
    """The address of a scheduler, all of whose workers are there when the block begins; see `local_cluster`."""
    with pytest.MonkeyPatch.context() as patch:
        for module, name in LIMITS:
            patch.setattr(module, name, LONGEST_SECONDS)
        with local_cluster(workers, folder) as address, Connection(address) as client:
            client.client.register_worker_callbacks(hear_nothing_for_long)
            client.wait_for_workers(workers)
            yield address
