"""A rich console that sends no control characters of the text to the terminal.

This module imports rich, so it is imported only if something is drawn.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.console import Console  # noqa: TID253
from rich.live import Live  # noqa: TID253
from rich.segment import Segment  # noqa: TID253
from rich.status import Status  # noqa: TID253

from lmctl.cli.terminal import VisibleText
from lmctl.visible import visible

if TYPE_CHECKING:
    from collections.abc import Iterable

    from rich.console import ConsoleOptions, RenderableType


class _Status(Status):
    """A line that is redrawn on standard error, while results go to standard output.

    The Status of rich (15.0.0) redirects standard output while it draws: results go to the terminal, even if
    standard output is a file.
    """

    def __init__(self, status: RenderableType, console: Console) -> None:
        super().__init__(status, console=console)
        self._live = Live(
            self.renderable, console=console, refresh_per_second=12.5, transient=True, redirect_stdout=False
        )

    def start(self) -> None:
        """Start drawing; a line that is written to the same terminal replaces the drawn line."""
        VisibleText.is_drawn_over = True
        super().start()

    def stop(self) -> None:
        """Stop drawing, and remove the line."""
        super().stop()
        VisibleText.is_drawn_over = False


class VisibleConsole(Console):
    """A console that shows the control characters of texts as visible escapes."""

    def status(self, status: RenderableType, **_rich: object) -> Status:
        """Make a line that is redrawn and does not redirect standard output."""
        return _Status(status, self)

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        """Render as rich does, but make each text visible before it is measured and drawn."""
        for segment in super().render(renderable, options):
            yield segment if segment.control else Segment(visible(segment.text), segment.style)
