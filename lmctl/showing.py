"""Progress of the functions of `lmctl` in Python: one line in a notebook, plain lines elsewhere, or a listener."""

from __future__ import annotations

import contextlib
import html
import sys
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from lmctl.estimates import Estimate, duration
from lmctl.jobs.watching.live_line import comparable, figures_of, live_line
from lmctl.progress import listener, listening
from lmctl.training.events import EpochDone, StepDone

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from lmctl.progress import Listener

    # True: show it; False: do not; None: show it in a notebook; or a function that is called with every report.
    Progress = bool | Listener | None

READING = "reading and cutting words"
# Seconds between two drawings in a notebook, and between two plain lines.
REDRAW_SECONDS = 0.2
PLAIN_SECONDS = 10.0


class Shown(Protocol):
    """A block whose progress is shown."""

    def on_event(self, event: object) -> None:
        """Take an event of a run."""

    def on_bytes(self, read: int) -> None:
        """Take the number of bytes that have been read so far."""


@contextlib.contextmanager
def showing(progress: Progress, first: str) -> Iterator[Shown]:
    """Show the progress of the block.

    Args:
        progress: as described above.
        first: the activity that is shown until the first report.
    """
    display: Callable[..., Any] | None = None
    # A caller who listens already sees the progress.
    if progress is None and listener() is None:
        display = notebook_display()
    if progress is True:
        display = notebook_display() or _print
    if callable(progress):
        with listening(progress):
            yield _Told(progress)
    elif display is None:
        yield _Told(lambda _activity, _done, _total: None)
    else:
        view = _View(display, first)
        with listening(view):
            try:
                yield view
            except BaseException:
                view.end("stopped")
                raise
        view.end("done")


def notebook_display() -> Callable[..., Any] | None:
    """The function `display` of IPython, if this program runs in a notebook; else None."""
    ipython = sys.modules.get("IPython")
    shell = None if ipython is None else ipython.get_ipython()
    # The shell of a terminal has no kernel, and shows no HTML.
    if shell is None or getattr(shell, "kernel", None) is None:
        return None
    from IPython.display import display

    found: Callable[..., Any] = display
    return found


@dataclass(slots=True)
class _Line:
    """What a notebook shows: a line of text, the share that is done, and a row for each epoch."""

    text: str
    share: float | None = None
    epochs: list[EpochDone] = field(default_factory=list)

    def __repr__(self) -> str:
        return "\n".join(
            [*(f"epoch {each.epoch}  {figures_of(each, digits=2)}" for each in self.epochs), self.text]
        )

    def _repr_html_(self) -> str:
        bar = ""
        if self.share is not None:
            bar = f'<progress max="1" value="{self.share:.3f}" aria-label="{html.escape(self.text)}"></progress> '
        return f"{_table(self.epochs)}<div>{bar}<code>{html.escape(self.text)}</code></div>"


def _table(epochs: list[EpochDone]) -> str:
    """The epochs as a table in HTML; none: nothing."""
    if not epochs:
        return ""
    fills_gaps = epochs[0].train_masked_cross_entropy_nats is not None
    unit, digits = ("masked nats", 4) if fills_gaps else ("perplexity", 2)
    head = "".join(
        f'<th scope="col">{name}</th>'
        for name in ("epoch", "tokens/s", "learning rate", f"train {unit}", f"valid {unit}", "")
    )
    rows = []
    # Each epoch was the best one up to its own end. Without a validation text, the last one is published, even if
    # another one has a better figure.
    best = [each for each in epochs if each.best][-1:]
    validated = any(
        each.valid_perplexity is not None or each.valid_masked_cross_entropy_nats is not None for each in epochs
    )
    mark = "best" if validated else "published"
    for each in epochs:
        train, valid = each.train_perplexity, each.valid_perplexity
        if fills_gaps:
            train, valid = each.train_masked_cross_entropy_nats, each.valid_masked_cross_entropy_nats
        cells = [
            f"{each.epoch}",
            f"{each.tokens_per_second:,.0f}",
            f"{each.learning_rate:.4g}",
            f"{comparable(train):.{digits}f}",
            "" if valid is None else f"{valid:.{digits}f}",
            mark if each in best else "",
        ]
        rows.append("<tr>" + "".join(f"<td>{cell}</td>" for cell in cells) + "</tr>")
    return f"<table><thead><tr>{head}</tr></thead><tbody>{''.join(rows)}</tbody></table>"


class _View:
    """Draws the progress by a function such as IPython's `display`; it is a listener, too.

    Args:
        display: is called with a `_Line`; returns a handle with `update`, or None if each line stays.
        first: the activity that is shown first.
    """

    def __init__(self, display: Callable[..., Any], first: str) -> None:
        self._estimate = Estimate()
        self._began = self._drawn = time.monotonic()
        self._line = _Line(first)
        self._display = display
        self._handle = display(self._line, display_id=True)
        self._every = PLAIN_SECONDS if self._handle is None else REDRAW_SECONDS

    def __call__(self, activity: str, done: float, total: float | None) -> None:
        text = self._estimate.describe(activity, done, total)
        is_new = self._estimate.is_new and self._handle is not None
        self._show(text, done / total if total else None, at_once=is_new)

    def on_bytes(self, read: int) -> None:
        self._show(f"{READING}  {read / 1e6:.1f} MB", None)

    def on_event(self, event: object) -> None:
        if isinstance(event, StepDone):
            done = (event.epoch - 1 + event.epoch_tokens / event.tokens_per_epoch) / event.epochs
            self._show(live_line(event), min(done, 1.0))
        elif isinstance(event, EpochDone):
            self._line.epochs.append(event)
            if self._handle is None:
                self._show(f"epoch {event.epoch}  {figures_of(event, digits=2)}", None, at_once=True)

    def end(self, how: str) -> None:
        self._show(f"{how} after {duration(time.monotonic() - self._began)}", None, at_once=True)

    def _show(self, text: str, share: float | None, *, at_once: bool = False) -> None:
        now = time.monotonic()
        if not at_once and now - self._drawn < self._every:
            return
        self._drawn = now
        self._line.text, self._line.share = text, share
        if self._handle is None:
            self._display(self._line, display_id=True)
        else:
            self._handle.update(self._line)


class _Told:
    """Passes events on to a listener."""

    def __init__(self, hears: Callable[[str, float, float | None], object]) -> None:
        self._hears = hears

    def on_event(self, event: object) -> None:
        if isinstance(event, StepDone):
            activity = f"training, epoch {event.epoch}/{event.epochs}"
            self._hears(activity, event.epoch_tokens, event.tokens_per_epoch)

    def on_bytes(self, read: int) -> None:
        self._hears(READING, read, None)


def _print(line: _Line, *, display_id: bool) -> None:  # noqa: ARG001 - as IPython's display
    """Write a line on standard error, where it stays."""
    print(f"lmctl: {line.text}", file=sys.stderr, flush=True)  # noqa: T201 - the caller has asked for it
