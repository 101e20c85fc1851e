"""`lmctl serve` in a process of its own, and a client of it."""

from __future__ import annotations

import contextlib
import http.client
import json
import signal
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from waiting import LONGEST_SECONDS

if TYPE_CHECKING:
    import subprocess


class Running:
    """A server, and its address.

    Args:
        process: of the server, with pipes for its output, as text.

    Attributes:
        process: as given.
        url: the line that it printed.
        address: the URL in parts.
    """

    def __init__(self, process: subprocess.Popen[str]) -> None:
        assert process.stdout is not None
        self.process = process
        self.url = process.stdout.readline().rstrip("\n")
        self.address = urlsplit(self.url)

    def connect(self) -> http.client.HTTPConnection:
        """Open a connection."""
        return http.client.HTTPConnection(str(self.address.hostname), self.address.port, timeout=LONGEST_SECONDS)

    def ask(self, path: str, body: Any = None, **headers: str) -> tuple[int, bytes]:
        """The code and the content of a response."""
        content = None if body is None else json.dumps(body).encode()
        headers = {"Content-Type": "application/json", **headers}
        with contextlib.closing(self.connect()) as connection:
            connection.request("GET" if body is None else "POST", path, content, headers)
            response = connection.getresponse()
            return response.status, response.read()

    def end(self, number: int = signal.SIGTERM) -> tuple[int, str]:
        """The exit code and the messages after a signal."""
        self.process.send_signal(number)
        _, errors = self.process.communicate(timeout=LONGEST_SECONDS)
        return self.process.returncode, errors
