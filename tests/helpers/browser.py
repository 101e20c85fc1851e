"""Chromium without a window, which a test drives by the Chrome DevTools Protocol over pipes."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import sys
from typing import IO, TYPE_CHECKING, Any

from waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
# Nothing is fetched from other hosts.
QUIET = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
)
# Chromium reads orders from descriptor 3, and writes answers to descriptor 4.
_START = """
import fcntl, os, sys
orders, answers = (fcntl.fcntl(int(each), fcntl.F_DUPFD, 10) for each in sys.argv[1:3])
os.dup2(orders, 3)
os.dup2(answers, 4)
os.execv(sys.argv[3], sys.argv[3:])
"""
_KEYS = {"Enter": (13, "\r"), "Escape": (27, ""), "Tab": (9, ""), " ": (32, " ")}


class Page:
    """A page in a browser.

    Args:
        orders: takes messages, each with a zero byte at its end.
        answers: gives such messages.

    Attributes:
        failures: messages of the console, and errors of scripts.
    """

    def __init__(self, orders: IO[bytes], answers: IO[bytes]) -> None:
        self._orders = orders
        self._answers = answers
        self._number = 0
        self._session: str | None = None
        self.failures: list[Any] = []
        target = self._ask("Target.createTarget", url="about:blank")["targetId"]
        self._session = self._ask("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log"):
            self._ask(f"{domain}.enable")

    def _ask(self, method: str, **parameters: Any) -> Any:
        self._number += 1
        message = {"id": self._number, "method": method, "params": parameters}
        if self._session is not None:
            message["sessionId"] = self._session
        self._orders.write(json.dumps(message).encode() + b"\0")
        self._orders.flush()
        while True:
            found = json.loads(self._message())
            if found.get("id") == self._number:
                assert "error" not in found, found
                return found["result"]
            if found["method"] in {"Runtime.consoleAPICalled", "Runtime.exceptionThrown", "Log.entryAdded"}:
                self.failures.append(found["params"])

    def _message(self) -> bytes:
        content = bytearray()
        while (byte := self._answers.read(1)) != b"\0":
            assert byte, "the browser has ended"
            content += byte
        return bytes(content)

    def look(self, width: int, height: int, scheme: str) -> None:
        """Set the size of the window in pixels, and the colours that the user prefers, "light" or "dark"."""
        size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
        self._ask("Emulation.setDeviceMetricsOverride", **size)
        preferred = {"name": "prefers-color-scheme", "value": scheme}
        self._ask("Emulation.setEmulatedMedia", features=[preferred])

    def open(self, url: str) -> None:
        """Go to a page, and wait until its scripts have run."""
        self._ask("Page.navigate", url=url)
        wait_until(lambda: self.value("location.href !== 'about:blank' && document.readyState") == "complete")

    def value(self, expression: str) -> Any:
        """The value of an expression of JavaScript; of a promise, what it becomes."""
        found = self._ask("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in found, found
        return found["result"].get("value")

    def wait(self, expression: str, expected: Any) -> None:
        """Wait until an expression has a value."""
        wait_until(lambda: self.value(expression) == expected)

    def press(self, key: str) -> None:
        """Press a key."""
        code, text = _KEYS[key]
        of_key = {"key": key, "code": {" ": "Space"}.get(key, key), "windowsVirtualKeyCode": code}
        self._ask("Input.dispatchKeyEvent", type="keyDown", text=text, **of_key)
        self._ask("Input.dispatchKeyEvent", type="keyUp", **of_key)

    def type(self, text: str) -> None:
        """Put in a text as an input method does."""
        self._ask("Input.insertText", text=text)


@contextlib.contextmanager
def open_page(folder: Path) -> Iterator[Page]:
    """An empty page of a browser whose files are in a folder."""
    assert CHROMIUM is not None
    orders, to_browser = os.pipe()
    from_browser, answers = os.pipe()
    process = subprocess.Popen(
        [
            *(sys.executable, "-c", _START, str(orders), str(answers)),
            *(CHROMIUM, *QUIET, "--remote-debugging-pipe", f"--user-data-dir={folder}", "about:blank"),
        ],
        pass_fds=(orders, answers),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    os.close(orders)
    os.close(answers)
    with process, os.fdopen(to_browser, "wb") as sends, os.fdopen(from_browser, "rb") as gets:
        try:
            yield Page(sends, gets)
        finally:
            process.kill()
