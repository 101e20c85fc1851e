"""The end of a connection."""

import contextlib
from types import SimpleNamespace

from lmctl.jobs.cluster.connection import Connection


def test_a_client_that_cannot_close_in_time_prints_nothing():
    """An error in a thread would be printed; here it would be a warning, and so an error."""
    asked = []

    def close(timeout):
        asked.append(timeout)
        raise TimeoutError

    connection = Connection("tcp://host:8786")
    connection.client, connection._settings = SimpleNamespace(close=close), contextlib.nullcontext()

    connection.__exit__(None, None, None)

    assert asked == [2]
