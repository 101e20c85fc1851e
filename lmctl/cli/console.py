"""rich's console, which draws on a terminal and sends no control character but its own.

Imported only if something is drawn, as rich is.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.console import Console  # noqa: TID253
from rich.segment import Segment  # noqa: TID253

from lmctl.cli.terminal import visible

if TYPE_CHECKING:
    from collections.abc import Iterable

    from rich.console import ConsoleOptions, RenderableType


class VisibleConsole(Console):
    """A console that shows control characters of the texts it is given."""

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        """As rich's, with every text made visible before it is measured and drawn."""
        for segment in super().render(renderable, options):
            yield segment if segment.control else Segment(visible(segment.text), segment.style)
