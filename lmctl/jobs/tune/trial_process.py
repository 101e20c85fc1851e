"""Runs a trial: `lmctl train` in a process of its own.

TensorFlow returns neither memory nor compiled programs before its process ends, so trials in one process would
become slower and larger. A crash, or the kernel's end of a process that needs too much memory, ends one trial, not
the study. And a trial that is killed continues like every run. A process costs the time in which TensorFlow is
imported.
"""

from __future__ import annotations

import contextlib
import os
import selectors
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, field
from typing import IO, TYPE_CHECKING, Any

import msgspec

from lmctl.errors import LmctlError
from lmctl.jobs.workers import import_path, python_flags

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

# The program of the process. The first argument is the number of folders to import from, which follow it.
START = (
    "import sys; end = 2 + int(sys.argv[1]); sys.path += sys.argv[2:end]; sys.argv[1:end] = []; "
    "from lmctl.jobs.tune.child import main; main()"
)
# Environment variables of the study that a trial must not see: the workers of the cluster run trials already.
NOT_INHERITED = ("LMCTL_SCHEDULER",)
# Seconds between two looks at signals and at the end of time, and for which a process may write its checkpoint.
TICK_SECONDS, SECONDS_TO_END = 0.2, 60.0
# The last lines of standard error are kept for the message about a process that ended without an event.
KEPT_LINES = 5


@dataclass(frozen=True, slots=True)
class TrialCommand:
    """The arguments of a trial.

    Attributes:
        corpus: folder of the prepared corpus.
        model: model folder of the trial.
        settings: YAML file of its settings.
        curve_points: see `lmctl train --curve-points`.
        threads: number of its threads; None: as its settings say.
    """

    corpus: Path
    model: Path
    settings: Path
    curve_points: int
    threads: int | None = None

    def arguments(self) -> list[str]:
        """The command line, without `lmctl`."""
        return [
            "train",
            str(self.corpus.absolute()),
            "-o",
            str(self.model.absolute()),
            "-c",
            str(self.settings.absolute()),
            "--curve-points",
            str(self.curve_points),
            *([] if self.threads is None else ["--threads", str(self.threads)]),
            # A process that outlived the last run for a moment still holds the lock.
            "--lock",
            "wait",
            "--quiet",
            "--log-json",
            "-",
        ]


@dataclass(slots=True)
class TrialEnd:
    """How the process of a trial ended.

    Attributes:
        was_cut: whether a listener asked for its end.
        was_stopped: whether the study's own end came first.
        was_lost: whether its worker died, or did not hear of the study; the trial is to be run again.
        has_killed: whether its worker died.
        exit_code: of the process; negative: minus the number of the signal that killed it.
        message: its error message; None if it published.
    """

    was_cut: bool = False
    was_stopped: bool = False
    was_lost: bool = False
    has_killed: bool = False
    exit_code: int = 0
    message: str | None = None


@dataclass(slots=True)
class _Output:
    """What the process wrote to standard error."""

    ended: dict[str, Any] | None = None
    lines: list[str] = field(default_factory=list)


def run_trial(
    command: TrialCommand,
    is_to_be_cut: Callable[[dict[str, Any]], bool],
    is_over: Callable[[], bool],
    is_cut: Callable[[], bool] = lambda: False,
) -> TrialEnd:
    """Run a trial to its end, or until it is cut or stopped.

    Args:
        command: the trial.
        is_to_be_cut: called with every event of the run, as --log-json writes it; the trial is ended if it returns
            true.
        is_over: called all the time; if it returns true, the trial is asked to write a checkpoint and to end.
        is_cut: called all the time; the trial is ended if it returns true.

    Raises:
        LmctlError: no process can be started.
    """
    end, output = TrialEnd(), _Output()
    with _started(command.arguments()) as process:
        asked: float | None = None
        for line in _lines(process.stderr):
            if line is not None and (event := _event(line, output)) is not None and asked is None:
                end.was_cut = is_to_be_cut(event)
            if asked is None and not end.was_cut:
                end.was_cut = is_cut()
            if asked is None and not end.was_cut:
                end.was_stopped = is_over()
            if (end.was_cut or end.was_stopped) and asked is None:
                asked = time.monotonic()
                # A trial that is cut off needs no checkpoint; one that is stopped continues from its checkpoint.
                process.send_signal(signal.SIGKILL if end.was_cut else signal.SIGTERM)
            if asked is not None and time.monotonic() - asked > SECONDS_TO_END:
                process.kill()
        end.exit_code = process.wait()
    if end.exit_code:
        end.message = _message(end.exit_code, output)
    return end


@contextlib.contextmanager
def _started(arguments: Sequence[str]) -> Iterator[subprocess.Popen[bytes]]:
    """Start the process; it is killed if the block ends before it."""
    folders = import_path()
    try:
        process = subprocess.Popen(  # noqa: S603  Python itself
            [sys.executable or "", *python_flags(), "-c", START, str(len(folders)), *folders, *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            env={name: value for name, value in os.environ.items() if name not in NOT_INHERITED},
            # Ctrl-C reaches this process alone, which passes on one signal. A second one would end the trial
            # before its checkpoint is written.
            process_group=0,
        )
    except OSError as error:
        raise LmctlError(f"a trial cannot be started: {error.strerror}") from error
    try:
        yield process
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()
        for pipe in (process.stdin, process.stderr):
            if pipe is not None:
                pipe.close()


def _lines(pipe: IO[bytes] | None) -> Iterator[bytes | None]:
    """Yield lines as they come, and None if none has come for a moment, until the pipe is closed."""
    if pipe is None:
        return
    content = b""
    with selectors.DefaultSelector() as selector:
        selector.register(pipe, selectors.EVENT_READ)
        while True:
            if not selector.select(TICK_SECONDS):
                yield None
                continue
            read = os.read(pipe.fileno(), 1 << 16)
            if not read:
                break
            *lines, content = (content + read).split(b"\n")
            yield from lines
    yield content


def _event(line: bytes, output: _Output) -> dict[str, Any] | None:
    """Return the event that a line is; other lines are kept for a message."""
    try:
        event = msgspec.json.decode(line, type=dict[str, Any])
    except msgspec.DecodeError:
        if text := line.decode(errors="replace").strip():
            output.lines = [*output.lines, text][-KEPT_LINES:]
        return None
    if event.get("event") == "run_ended":
        output.ended = event
    return event


def _message(exit_code: int, output: _Output) -> str:
    if output.ended is not None and output.ended.get("message"):
        return str(output.ended["message"])
    if exit_code < 0:
        name = signal.Signals(-exit_code).name
        hint = "; the kernel ends a process like this if memory is short" if -exit_code == signal.SIGKILL else ""
        return f"its process was killed by {name}{hint}"
    return output.lines[-1].removeprefix("lmctl: ") if output.lines else f"its process ended with code {exit_code}"
