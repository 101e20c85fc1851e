"""uvicorn's protocol, which answers requests that offer another protocol in HTTP/1.1 (RFC 9110, section 7.8).

Clients such as Java's offer HTTP/2 with each request, in the header `Upgrade: h2c`, and a server may ignore it.
uvicorn's parser takes such a request for one without a body, and so would lose the body and the next requests.
"""

from __future__ import annotations

from typing import Any

import httptools
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

# The headers that say how long a body is.
_LENGTHS = (b"content-length", b"transfer-encoding")


class _Parser:
    """A parser that reads on behind the head of a request that offers another protocol.

    It begins with the body again, in a new parser, which is given the length of the body in a head of its own.

    Args:
        protocol: is called with what is read.

    Attributes:
        repeats_head: whether that head is being read.
    """

    def __init__(self, protocol: WithoutUpgrades) -> None:
        self.repeats_head = False
        self._protocol = protocol
        self._renew()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._parser, name)

    def _renew(self) -> None:
        self._parser = httptools.HttpRequestParser(self._protocol)
        # As uvicorn sets it.
        self._parser.set_dangerous_leniencies(lenient_data_after_close=True)

    def feed_data(self, data: bytes) -> None:
        """Read data.

        Raises:
            httptools.HttpParserError: it is no HTTP.
        """
        rest = memoryview(data)
        while True:
            try:
                self._parser.feed_data(rest)
            except httptools.HttpParserUpgrade as offer:
                rest = rest[offer.args[0] :]
            else:
                return
            lengths = [b"%b: %b\r\n" % header for header in self._protocol.headers if header[0] in _LENGTHS]
            self._renew()
            self.repeats_head = True
            self._parser.feed_data(b"POST / HTTP/1.1\r\n" + b"".join(lengths) + b"\r\n")


class WithoutUpgrades(HttpToolsProtocol):
    """Reads requests that offer another protocol as if they did not."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._reader = _Parser(self)
        self.parser = self._reader  # type: ignore[assignment]

    def on_message_begin(self) -> None:
        """A request begins."""
        if not self._reader.repeats_head:
            super().on_message_begin()

    def on_url(self, url: bytes) -> None:
        """A part of the URL is there."""
        if not self._reader.repeats_head:
            super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        """A header is there."""
        if not self._reader.repeats_head:
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """The head is complete."""
        if self._reader.repeats_head:
            self._reader.repeats_head = False
        else:
            super().on_headers_complete()

    def on_message_complete(self) -> None:
        """The request is complete, unless the parser has left out its body."""
        if not self._reader.should_upgrade():
            super().on_message_complete()
