"""What of uvicorn's log is shown."""

import asyncio
import logging

from lmctl.serve.server import _OfUvicorn


def test_a_bug_is_logged_and_the_cancelling_of_a_stalled_answer_is_not(messages):
    for error in (asyncio.CancelledError(), ZeroDivisionError("bug"), None):
        exc_info = None if error is None else (type(error), error, None)
        record = logging.LogRecord("uvicorn", logging.ERROR, "", 1, f"of {error!r}", (), exc_info)
        _OfUvicorn(logging.ERROR).handle(record)

    assert [message.splitlines()[0] for message in messages] == ["of ZeroDivisionError('bug')", "of None"]
