"""A server of HTTP on the loopback interface, whose texts fail in a chosen way."""

from __future__ import annotations

import contextlib
import re
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Iterator


@dataclass
class Page:
    """A text of the server.

    Attributes:
        content: its bytes.
        ranges: whether the server can send a part of it.
        length: how the end is marked: by Content-Length, by chunks, or only by the end of the connection.
        etag: its ETag; None: the server sends none.
        cut_after: number of bytes after which the connection is closed; None: it is not.
        status: of every answer.
        status_of_head: of an answer to HEAD; None: as `status`.
        authorization: what the header Authorization has to be; None: anything.
        silent: whether no answer comes until the server ends.
    """

    content: bytes
    ranges: bool = True
    length: Literal["stated", "chunked", "unknown"] = "stated"
    etag: str | None = None
    cut_after: int | None = None
    status: int = 200
    status_of_head: int | None = None
    authorization: str | None = None
    silent: bool = False


@dataclass
class WebTexts:
    """What a test sees of the server.

    Attributes:
        url: of the server, without a slash at its end.
        pages: the texts by path, which begins with a slash.
        requests: method, path with query, and range ("" if there is none) of each request.
        ended: set when the server ends.
    """

    url: str
    pages: dict[str, Page] = field(default_factory=dict)
    requests: list[tuple[str, str, str]] = field(default_factory=list)
    ended: threading.Event = field(default_factory=threading.Event)

    def downloads(self, path: str) -> int:
        """How often the whole of a text was asked for."""
        return sum(request == ("GET", path, "") for request in self.requests)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    texts: WebTexts

    def handle(self) -> None:
        # A client that needs no more of a text closes the connection.
        with contextlib.suppress(ConnectionError):
            super().handle()

    def do_HEAD(self) -> None:
        self._answer(with_content=False)

    def do_GET(self) -> None:
        self._answer(with_content=True)

    def log_message(self, format: str, *args: object) -> None:
        """Print nothing."""

    def _answer(self, *, with_content: bool) -> None:
        asked = self.headers.get("Range", "")
        self.texts.requests.append((self.command, self.path, asked))
        page = self.texts.pages.get(self.path.partition("?")[0])
        if page is None:
            self.send_error(404)
            return
        if page.silent:
            self.texts.ended.wait()
            return
        status = page.status if with_content or page.status_of_head is None else page.status_of_head
        if page.authorization is not None and self.headers.get("Authorization") != page.authorization:
            status = 401
        if status >= 400:
            self.send_error(status)
            return
        content, part = page.content, re.fullmatch(r"bytes=(\d+)-(\d*)", asked) if page.ranges else None
        if part:
            start, end = int(part[1]), int(part[2] or len(content) - 1) + 1
            content, status = content[start:end], 206
        self.send_response(status)
        if part:
            self.send_header("Content-Range", f"bytes {start}-{end - 1}/{len(page.content)}")
        if page.etag is not None:
            self.send_header("ETag", page.etag)
        if page.length == "stated":
            self.send_header("Content-Length", str(len(content)))
        elif page.length == "chunked":
            self.send_header("Transfer-Encoding", "chunked")
        else:
            self.send_header("Connection", "close")
        self.end_headers()
        if with_content:
            with contextlib.suppress(ConnectionError):
                self._send(content if page.cut_after is None else content[: page.cut_after], page)
        if page.length == "unknown" or (page.cut_after is not None and with_content):
            self.close_connection = True

    def _send(self, content: bytes, page: Page) -> None:
        if page.length != "chunked":
            self.wfile.write(content)
            return
        for start in range(0, len(content), 1000):
            chunk = content[start : start + 1000]
            self.wfile.write(b"%x\r\n%s\r\n" % (len(chunk), chunk))
        if page.cut_after is None:
            self.wfile.write(b"0\r\n\r\n")


@contextlib.contextmanager
def serving_texts() -> Iterator[WebTexts]:
    """A server in a thread of this process, on a free port."""
    texts = WebTexts("")
    handler = type("Handler", (_Handler,), {"texts": texts})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        server.daemon_threads = True
        texts.url = f"http://127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        try:
            yield texts
        finally:
            texts.ended.set()
            server.shutdown()
            thread.join()
