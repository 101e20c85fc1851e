"""Clients that do not read at the end of a server, and what of uvicorn's log is shown."""

import asyncio
import logging
from types import SimpleNamespace

from lmctl.serve.server import _OfUvicorn, drop_stalled


class Connection:
    """What of uvicorn's protocols is looked at; `sizes` are those of its buffer, look by look."""

    def __init__(self, sizes):
        self.looks, self.sizes, self.aborted = 0, sizes, []
        self.flow = SimpleNamespace(write_paused=True)
        self.transport = self

    def get_write_buffer_size(self):
        self.looks += 1
        return self.sizes[min(self.looks, len(self.sizes)) - 1]

    def abort(self):
        self.aborted.append(self.looks)


def test_only_connections_whose_clients_read_nothing_are_closed():
    stalled, slow, ready = Connection([70_000]), Connection([90_000, 80_000, 70_000, 70_000]), Connection([0])
    ready.flow.write_paused = False
    connections = {stalled, slow, ready}

    async def run():
        task = asyncio.create_task(drop_stalled(connections, 0))
        while not stalled.aborted:
            await asyncio.sleep(0)
        assert slow.aborted == []
        # uvicorn removes a connection that was closed.
        connections.remove(stalled)
        while not slow.aborted:
            await asyncio.sleep(0)
        task.cancel()

    asyncio.run(run())
    assert (stalled.aborted, slow.aborted, ready.aborted, ready.looks) == ([2], [4], [], 0)


def test_a_bug_is_logged_and_the_cancelling_of_a_stalled_answer_is_not(messages):
    for error in (asyncio.CancelledError(), ZeroDivisionError("bug"), None):
        exc_info = None if error is None else (type(error), error, None)
        record = logging.LogRecord("uvicorn", logging.ERROR, "", 1, f"of {error!r}", (), exc_info)
        _OfUvicorn(lambda: False).handle(record)

    assert [message.splitlines()[0] for message in messages] == ["of ZeroDivisionError('bug')", "of None"]
