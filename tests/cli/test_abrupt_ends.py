"""The end of a command by a signal, a bug or a lack of memory."""

from __future__ import annotations

import signal
import subprocess
import sys
import time

import pytest
from refusals import assert_refused
from waiting import LONGEST_SECONDS


@pytest.mark.parametrize(
    ("number", "code", "word"),
    [
        (signal.SIGINT, 130, "interrupted"),
        (signal.SIGTERM, 143, "terminated"),
        (signal.SIGHUP, 129, "terminated"),
    ],
)
def test_a_signal_ends_a_query_in_one_line(command, clean_environment, bundle, number, code, word):
    # A shell starts background jobs with SIGINT ignored, and a process inherits that.
    before = signal.signal(number, signal.SIG_DFL)
    process = subprocess.Popen(
        [*command, "predict", "-m", str(bundle), "-k", "1"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=clean_environment(),
    )
    signal.signal(number, before)
    process.stdin.write(b"the\n")
    process.stdin.flush()
    process.stdout.readline()  # the command has started, and waits for input
    time.sleep(0.05)
    process.send_signal(number)
    _, error = process.communicate(timeout=LONGEST_SECONDS)

    assert process.returncode == code
    assert error == f"lmctl: {word}\n".encode()


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)])
def test_a_signal_whose_exception_python_drops_ends_a_command(clean_environment, number, code):
    # A command that gets its signal in the callback of a weak reference, and then waits for ever.
    program = f"""
import signal, time, weakref
import lmctl.cli

def run(arguments):
    thing = type("Thing", (), {{}})()
    callback = weakref.ref(thing, lambda _: signal.raise_signal({int(number)}))
    del thing
    print("it goes on", flush=True)
    time.sleep({LONGEST_SECONDS})

signal.signal({int(number)}, {"signal.default_int_handler" if number == signal.SIGINT else "signal.SIG_DFL"})
lmctl.cli.run = run
lmctl.cli.main()
"""
    finished = subprocess.run(
        [sys.executable, "-c", program],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        env=clean_environment(),
        timeout=LONGEST_SECONDS,
        check=False,
    )
    assert (finished.returncode, finished.stdout) == (code, b"it goes on\n")


def test_a_bug_keeps_its_traceback(call, bundle, monkeypatch):
    def broken(self: object, contexts: object) -> None:
        raise KeyError("surprise")

    monkeypatch.setattr("lmctl.query.prediction.Predictor.answer", broken)

    finished = call("predict", "-m", bundle, "the")

    assert finished.code == 70
    assert finished.err.startswith("Traceback (most recent call last):")
    assert "KeyError: 'surprise'" in finished.err
    assert finished.err.splitlines()[-1] == "lmctl: this is a bug in lmctl; please report it with the lines above"


def test_a_bug_with_standard_error_closed_leaves_the_results_alone(call, bundle, monkeypatch):
    def broken(self: object, contexts: object) -> None:
        raise KeyError("surprise")

    monkeypatch.setattr("lmctl.query.prediction.Predictor.answer", broken)
    # A stream that was closed when the process started is None.
    monkeypatch.setattr("sys.stderr", None)

    finished = call("predict", "-m", bundle, "the")

    assert (finished.code, finished.out) == (70, "")


def test_running_out_of_memory_is_a_failure_and_no_bug(call, bundle, monkeypatch):
    def exhausted(self: object, contexts: object) -> None:
        raise MemoryError

    monkeypatch.setattr("lmctl.query.prediction.Predictor.answer", exhausted)

    assert_refused(call("predict", "-m", bundle, "the"), 1, "out of memory")
