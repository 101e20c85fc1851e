"""Answers in pieces, as server-sent events (WHATWG HTML, section 9.2).

Each event is a line `data: ` with JSON. The last one is `data: [DONE]`, as clients of servers of language models
expect it.
"""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any

import msgspec
from starlette.responses import StreamingResponse

from lmctl.errors import LmctlError
from lmctl.serve.answers import Failure

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping

    from starlette.types import Receive, Scope, Send

DONE = b"data: [DONE]\n\n"
# The client went away before the end, or did not read a stream; the code is that of nginx.
CLIENT_GONE = 499
# A client that reads gets the event of its failure within this time after the end.
GRACE_SECONDS = 1.0


class EventStream(StreamingResponse):
    """A response in pieces. If the client goes away, the pieces end.

    Args:
        first: the first pieces.
        rest: yields the others, in groups.
        end: when the time is over, in seconds of `time.monotonic`.
        headers: of the response.

    Attributes:
        finish: is called once at the end, with the code under which the response is counted: 200: whole, 499: the
            client went away or did not read; or the code of the refusal, if it had been known before.
    """

    def __init__(
        self, first: list[Any], rest: AsyncGenerator[list[Any], None], end: float, headers: Mapping[str, str]
    ) -> None:
        self.finish: Callable[[int], None] = lambda _code: None
        self._has_finished = False
        self._rest = rest
        self._end = end
        self._code = CLIENT_GONE
        super().__init__(
            self._events(first), headers={**headers, "X-Accel-Buffering": "no"}, media_type="text/event-stream"
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the response."""
        # To a client that does not read, nothing can be sent, not even that the time is over. Its connection stays
        # until it closes it, but it is no request that waits.
        left = self._end + GRACE_SECONDS - time.monotonic()
        timer = asyncio.get_running_loop().call_later(left, self._finish)
        try:
            await super().__call__(scope, receive, send)
        finally:
            timer.cancel()
            await self._rest.aclose()
            self._finish()

    def _finish(self) -> None:
        if not self._has_finished:
            self._has_finished = True
            self.finish(self._code)

    async def _events(self, first: list[Any]) -> AsyncIterator[bytes]:
        yield _encoded(first)
        while True:
            try:
                async with asyncio.timeout(self._end - time.monotonic()):
                    some = await anext(self._rest)
            except StopAsyncIteration:
                self._code = 200
                yield DONE
                return
            except TimeoutError:
                self._code = 503
                yield _failed("the time is over; ask for less")
                return
            except LmctlError as error:
                self._code = 422
                yield _failed(str(error))
                return
            except Exception:  # noqa: BLE001 - the thread that answers has logged it
                self._code = 500
                yield _failed("a bug in lmctl; its log has the details")
                return
            yield _encoded(some)


def _encoded(some: list[Any]) -> bytes:
    return b"".join(b"data: " + msgspec.json.encode(each) + b"\n\n" for each in some)


def _failed(message: str) -> bytes:
    return b"event: error\ndata: " + msgspec.json.encode(Failure.of(message)) + b"\n\n"
