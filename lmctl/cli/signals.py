"""Signals that end the command: each raises an exception, and again if that one is lost.

Python drops an exception that is raised in the callback of a weak reference or in `__del__`, and some C code
clears any exception. A signal's handler may run in all of them: importlib has such a callback for every module
that it imports. So a command could go on as if no signal had come, and wait for a lock for ever. Here the same
signal is sent again until its exception has reached the end of the command, or until a run has recorded it. Other
C code, such as the start of a module, raises an error of its own instead. This error is not the outcome, either.
"""

from __future__ import annotations

import contextlib
import signal
import sys
from typing import TYPE_CHECKING, NoReturn

from lmctl.errors import InterruptedRunError

if TYPE_CHECKING:
    from collections.abc import Iterator

# The signals that end a command.
ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
# The exit code of a process that a signal ended is this plus the signal's number.
EXIT_SIGNAL = 128
# Seconds until a lost signal is sent again. Clean-up rarely takes as long.
SECONDS = 1.0


class TerminatedError(SystemExit):
    """SIGTERM or SIGHUP arrived. It is a SystemExit, so that no `except Exception` catches it."""

    code: int


class RaisingSignals:
    """Handlers of SIGINT, SIGTERM and SIGHUP that raise KeyboardInterrupt or TerminatedError.

    A signal that is ignored stays ignored, as nohup has SIGHUP, and a shell SIGINT for what it runs in the
    background. The handler of SIGALRM and the timer ITIMER_REAL are taken for sending a signal again.
    """

    def __init__(self) -> None:
        # The signal whose exception is on its way, or is lost.
        self._raised: int | None = None

    def install(self) -> None:
        """Set the handlers. This is for the main thread."""
        signal.signal(signal.SIGALRM, self._send_again_if_lost)
        report = sys.unraisablehook

        def report_unless_sent_again(dropped: sys.UnraisableHookArgs) -> None:
            if not issubclass(dropped.exc_type, (KeyboardInterrupt, TerminatedError)):
                report(dropped)

        sys.unraisablehook = report_unless_sent_again
        for number in ENDING:
            if signal.getsignal(number) is not signal.SIG_IGN:
                signal.signal(number, self._raise)

    def have_ended(self) -> None:
        """Send no signal again, and raise nothing: the command has ended, and a signal ends the process at once.

        Otherwise it would leave a traceback in what the interpreter does last, and change nothing. SIGHUP is
        ignored: if a terminal closes, a second one follows the first.
        """
        signal.setitimer(signal.ITIMER_REAL, 0)
        for number in ENDING:
            if signal.getsignal(number) == self._raise:
                signal.signal(number, signal.SIG_IGN if number == signal.SIGHUP else signal.SIG_DFL)

    @contextlib.contextmanager
    def as_the_outcome(self) -> Iterator[None]:
        """Raise the exception of a signal again if another error ends the block in its place."""
        try:
            yield
        except InterruptedRunError:
            raise
        except Exception as error:
            if self._raised is None:
                raise
            _raise_for(self._raised, error)

    def _raise(self, number: int, _frame: object) -> None:
        if number == signal.SIGHUP and self._raised is not None:
            # If a terminal closes, the kernel and the shell each send one; a service manager may send one after
            # SIGTERM.
            return
        self._raised = number
        signal.setitimer(signal.ITIMER_REAL, SECONDS, SECONDS)
        _raise_for(number)

    def _send_again_if_lost(self, _number: int, _frame: object) -> None:
        # While clean-up runs, the exception is the one that is handled, or the context of that one.
        error = sys.exception()
        while error is not None:
            if isinstance(error, (KeyboardInterrupt, TerminatedError)):
                return
            error = error.__context__
        number, self._raised = self._raised, None
        # The handler may be another one by now, for example one that records the signal.
        signal.setitimer(signal.ITIMER_REAL, 0)
        if number is not None:
            signal.raise_signal(number)


def _raise_for(number: int, cause: Exception | None = None) -> NoReturn:
    if number == signal.SIGINT:
        raise KeyboardInterrupt from cause
    raise TerminatedError(EXIT_SIGNAL + number) from cause
