"""rich's console, which draws on a terminal and sends no control character but its own.

Imported only if something is drawn, as rich is.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.console import Console  # noqa: TID253
from rich.live import Live  # noqa: TID253
from rich.segment import Segment  # noqa: TID253
from rich.status import Status  # noqa: TID253

from lmctl.cli.terminal import VisibleText, visible

if TYPE_CHECKING:
    from collections.abc import Iterable

    from rich.console import ConsoleOptions, RenderableType


class _Status(Status):
    """A line that is redrawn on standard error, and leaves standard output to the results.

    rich's own (15.0.0) takes standard output over while it draws: results then go to the terminal that it draws
    on, though standard output be a file.
    """

    def __init__(self, status: RenderableType, console: Console) -> None:
        super().__init__(status, console=console)
        self._live = Live(
            self.renderable, console=console, refresh_per_second=12.5, transient=True, redirect_stdout=False
        )

    def start(self) -> None:
        """Draw; what is written to the same terminal meanwhile takes the line's place."""
        VisibleText.is_drawn_over = True
        super().start()

    def stop(self) -> None:
        """Draw no more."""
        super().stop()
        VisibleText.is_drawn_over = False


class VisibleConsole(Console):
    """A console that shows control characters of the texts it is given."""

    def status(self, status: RenderableType, **_rich: object) -> Status:
        """A line that is redrawn; results keep standard output."""
        return _Status(status, self)

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        """As rich's, with every text made visible before it is measured and drawn."""
        for segment in super().render(renderable, options):
            yield segment if segment.control else Segment(visible(segment.text), segment.style)
