"""The display of `lmctl tune` on standard error: a table of trials, then the display of the last training."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

import click

from lmctl.cli import tables
from lmctl.cli.output import terminal_console
from lmctl.cli.training_display import TrainingDisplay
from lmctl.estimates import duration

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import Group
    from rich.live import Live

    from lmctl.cli.output import Messages
    from lmctl.jobs.tune.options import Tuned
    from lmctl.jobs.watching.events import RunEvent
    from lmctl.jobs.watching.tuning_events import StudyEnded, StudyStarted, TrialEnded, TrialStarted, TuningEvent

# The table has the last trials and the best one, so that it fits a small terminal.
SHOWN_TRIALS = 12
STATES = {"done": "done", "cut": "cut off", "failed": "failed", "too_large": "over a limit"}
# Those after the column of the figure that is compared.
COLUMNS = (
    tables.Column("", right=False),
    tables.Column("time", optional=True),
)


@dataclass(slots=True)
class _Row:
    """A trial in the table."""

    values: str
    perplexity: float | None = None
    state: str = ""
    seconds: float | None = None
    is_best: bool = False

    def cells(self) -> tuple[str, str, str]:
        return (
            "" if self.perplexity is None else f"{self.perplexity:.2f}",
            f"{self.state}{', best' if self.is_best else ''}",
            "" if self.seconds is None else duration(self.seconds),
        )


class TuningDisplay:
    """Shows the progress of a study: as a table that is redrawn, as plain lines, or not at all."""

    def __init__(self, messages: Messages) -> None:
        self._messages = messages
        self._console = terminal_console(stderr=True) if messages.live else None
        self._rows: dict[int, _Row] = {}
        self._too_large = 0
        self._heading = "preparing the text"
        self._figure = "perplexity"
        self._live: Live | None = None
        self._training: TrainingDisplay | None = None
        self._inside = contextlib.ExitStack()

    def __enter__(self) -> Self:
        if self._console is not None:
            from rich.live import Live

            self._inside.callback(self._console.file.close)
            self._live = self._inside.enter_context(
                Live(get_renderable=self._drawn, console=self._console, refresh_per_second=4, transient=True)
            )
        return self

    def __exit__(self, *error: object) -> None:
        if self._training is not None:
            self._training.__exit__(*error)
        self._inside.close()

    def on_event(self, event: TuningEvent | RunEvent) -> None:
        """Show an event of the study, or of the last training."""
        from lmctl.jobs.watching import tuning_events as events
        from lmctl.jobs.watching.events import TextRead

        if self._training is not None and not isinstance(event, events.TuningEvent):
            self._training.on_event(event)
        elif isinstance(event, TextRead):
            self._heading = f"reading and cutting words  {event.bytes / 1e6:.1f} MB"
        elif isinstance(event, events.StudyStarted):
            self._study_started(event)
        elif isinstance(event, events.TrialStarted):
            self._trial_started(event)
        elif isinstance(event, events.TrialPoint):
            row = self._rows[event.trial]
            row.perplexity, row.state = event.perplexity, f"{100 * event.point // event.points} % trained"
        elif isinstance(event, events.TrialEnded):
            self._trial_ended(event)
        elif isinstance(event, events.StudyEnded):
            self._study_ended(event)

    def finish(self, tuned: Tuned) -> None:
        """Show the end of the last training."""
        if self._training is not None:
            self._training.finish(tuned.trained)

    def _study_started(self, event: StudyStarted) -> None:
        self._figure = event.figure.replace("_", "-")
        earlier = f", after {event.decided} of earlier runs" if event.decided else ""
        each = "" if event.trial_seconds is None else f" of {duration(event.trial_seconds)} at most"
        time = f"{duration(event.search_seconds)} for trials{each}{earlier}"
        at_once = f", {event.at_once} at a time" if event.at_once > 1 else ""
        text = f"space {event.space}: {len(event.keys)} keys; {time}{at_once}"
        self._heading = text
        self._say(text)

    def _trial_started(self, event: TrialStarted) -> None:
        values = " ".join(f"{key.rpartition('.')[2]}={value}" for key, value in event.values.items())
        self._rows[event.trial] = _Row(values, state="continued" if event.continued else "running")
        place = "" if event.worker is None else f" on {event.worker}"
        self._say(f"trial {event.trial}{place}: {values}")

    def _trial_ended(self, event: TrialEnded) -> None:
        row = self._rows[event.trial]
        row.perplexity, row.state, row.seconds = event.perplexity, STATES[event.state], event.seconds
        if event.best:
            for other in self._rows.values():
                other.is_best = False
            row.is_best = True
        if event.state == "too_large":
            # There may be very many of these, and each takes next to no time.
            self._too_large += 1
            del self._rows[event.trial]
        figures = "" if event.perplexity is None else f", {self._figure} {event.perplexity:.2f}"
        why = "" if event.why is None else f": {event.why}"
        self._say(f"trial {event.trial}: {row.state}{figures}{', best so far' if event.best else ''}{why}")

    def _study_ended(self, event: StudyEnded) -> None:
        if self._live is not None:
            self._live.stop()
            self._live = None
        if self._console is not None:
            for row in self._rows.values():
                # The same command continues it.
                row.state = row.state if row.seconds is not None else "stopped"
            for line, is_heading in self._table(list(self._rows)):
                self._console.print(line, style="bold" if is_heading else None, markup=False, crop=False)
        counts = ", ".join(f"{number} {STATES[state]}" for state, number in event.trials.items())
        lines = [f"trials: {counts}; trial {event.best} is the best, with {self._figure} {event.perplexity:.2f}"]
        if event.importances:
            shares = ", ".join(f"{key} {100 * share:.0f} %" for key, share in event.importances.items())
            lines.append(f"what mattered: {shares}")
        lines.append(f"to repeat it: lmctl train CORPUS -c {event.settings}")
        for line in lines:
            if self._console is not None:
                self._console.print(line, markup=False)
            self._say(line)
        self._training = TrainingDisplay(self._messages)
        self._training.__enter__()

    def _shown(self) -> tuple[list[int], int]:
        """The best trial, those that run, and the last ones, as far as they fit; and how many that run do not."""
        # A thread of the live display draws while trials come and go.
        rows = self._rows.copy()
        best = [number for number, row in rows.items() if row.is_best]
        running = [number for number, row in rows.items() if row.seconds is None]
        others = [number for number, row in rows.items() if row.seconds is not None and not row.is_best]
        room = SHOWN_TRIALS - len(best)
        left = max(room - len(running), 0)
        return sorted([*best, *running[:room], *others[len(others) - min(left, len(others)) :]]), len(
            running[room:]
        )

    def _table(self, numbers: Sequence[int]) -> list[tuple[str, bool]]:
        """The lines of the table of these trials."""
        shown = [(number, row) for number in numbers if (row := self._rows.get(number)) is not None]
        if not shown or self._console is None:
            return []
        rows = [(f"{number}  {row.values}", row.cells()) for number, row in shown]
        return tables.layout("trial", (tables.Column(self._figure), *COLUMNS), rows, self._console.width)

    def _drawn(self) -> Group:
        from rich.console import Group
        from rich.text import Text

        numbers, hidden = self._shown()
        more = f"; {self._too_large} over a limit" if self._too_large else ""
        more += f"; {hidden} more running" if hidden else ""
        lines = [Text(line, style="bold" if is_heading else "") for line, is_heading in self._table(numbers)]
        return Group(*lines, Text(f"{self._heading}{more}", style="dim"))

    def _say(self, text: str) -> None:
        if self._messages.plain:
            click.echo(f"lmctl: {text}", err=True)
