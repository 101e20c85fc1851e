"""uvicorn's protocol, with a limit for the heads of requests: otherwise a client fills the memory with headers."""

from __future__ import annotations

from typing import Any

import msgspec

from lmctl.serve.answers import Failure
from lmctl.serve.upgrades import WithoutUpgrades

# Bytes of a head that may be read before it is complete. The head is the line of the method, and the headers.
MOST_HEAD_BYTES = 1 << 16


class LimitedHeads(WithoutUpgrades):
    """Refuses a head above `MOST_HEAD_BYTES` with 431 (RFC 6585, section 5), and closes the connection.

    Headers that follow a body in chunks have the same limit. What arrives at once is read at once, so a head that
    is complete then may be longer: asyncio reads at most 256 KiB at once.
    """

    def __init__(self, *args: Any, **options: Any) -> None:
        # Before the parser is made, which looks for the methods below.
        self._bytes_of_part = 0
        self._has_ended_part = False
        super().__init__(*args, **options)

    def data_received(self, data: bytes) -> None:
        """Read what has arrived."""
        self._has_ended_part = False
        super().data_received(data)
        if self._has_ended_part:
            self._bytes_of_part = 0
            return
        self._bytes_of_part += len(data)
        if self._bytes_of_part > MOST_HEAD_BYTES and not self.transport.is_closing():
            self._refuse()

    def on_headers_complete(self) -> None:
        """The head is complete."""
        self._has_ended_part = True
        super().on_headers_complete()

    def on_chunk_header(self) -> None:
        """A chunk of the body begins."""
        self._has_ended_part = True

    def on_body(self, body: bytes) -> None:
        """A part of the body is there."""
        self._has_ended_part = True
        super().on_body(body)

    def on_message_complete(self) -> None:
        """The request is complete."""
        self._has_ended_part = True
        super().on_message_complete()

    def _refuse(self) -> None:
        # In the middle of another answer, nothing else can be said.
        if self.cycle is None or self.cycle.response_complete:
            message = f"the head of the request has more than {MOST_HEAD_BYTES:,} bytes"
            content = msgspec.json.encode(Failure(error=message))
            head = (
                "HTTP/1.1 431 Request Header Fields Too Large\r\nx-content-type-options: nosniff\r\n"
                f"cache-control: no-store\r\ncontent-length: {len(content)}\r\ncontent-type: application/json\r\n"
                "connection: close\r\n\r\n"
            )
            self.transport.write(head.encode() + content)
        self.transport.close()
