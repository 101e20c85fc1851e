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


CODES = [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)]


@pytest.fixture
def python(clean_environment):
    """`python(program, number)`: run a program, in which a signal is not ignored."""

    def run(program, number):
        handler = "signal.default_int_handler" if number == signal.SIGINT else "signal.SIG_DFL"
        start = f"import signal, sys\nsys.argv[1:] = []\nsignal.signal({int(number)}, {handler})\n"
        return subprocess.run(
            [sys.executable, "-c", start + program],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            env=clean_environment(),
            timeout=LONGEST_SECONDS,
            check=False,
        )

    return run


# The signal comes in the callback of a weak reference.
LOST = """
import weakref
import lmctl.cli

class Thing:
    pass

def lose(number):
    thing = Thing()
    callback = weakref.ref(thing, lambda _: signal.raise_signal(number))
    del thing
"""


@pytest.mark.parametrize(("number", "code"), CODES)
def test_a_signal_whose_exception_python_drops_ends_a_command(python, number, code):
    # The command would wait for ever.
    program = f"""
import time

def run(arguments):
    lose({int(number)})
    print("it goes on", flush=True)
    time.sleep({LONGEST_SECONDS})

lmctl.cli.run = run
lmctl.cli.main()
"""
    finished = python(LOST + program, number)

    assert (finished.returncode, finished.stdout, finished.stderr) == (code, b"it goes on\n", b"")


@pytest.mark.parametrize(("number", "code"), CODES)
def test_a_signal_that_a_library_turns_into_an_error_of_its_own_is_no_bug(python, number, code):
    program = f"""
def invoke(context):
    lose({int(number)})
    raise ImportError("initialization failed")

lmctl.cli.lmctl.invoke = invoke
lmctl.cli.main()
"""
    finished = python(LOST + program, number)

    word = b"interrupted" if number == signal.SIGINT else b"terminated"
    assert (finished.returncode, finished.stderr) == (code, b"lmctl: " + word + b"\n")


@pytest.mark.parametrize(("number", "code"), CODES)
def test_a_signal_before_the_command_begins_leaves_no_traceback(python, number, code):
    program = f"""
import lmctl.cli
lmctl.cli.take_over_streams = lambda: signal.raise_signal({int(number)})
lmctl.cli.main()
"""
    finished = python(program, number)

    assert (finished.returncode, finished.stdout, finished.stderr) == (code, b"", b"")


@pytest.mark.parametrize(
    ("number", "code"),
    [(signal.SIGINT, -signal.SIGINT), (signal.SIGTERM, -signal.SIGTERM), (signal.SIGHUP, 0)],
)
def test_a_signal_while_the_interpreter_ends_leaves_no_traceback(python, number, code):
    program = f"""
import atexit
import lmctl.cli
atexit.register(signal.raise_signal, {int(number)})
lmctl.cli.run = lambda arguments: 0
lmctl.cli.main()
"""
    finished = python(program, number)

    assert (finished.returncode, finished.stdout, finished.stderr) == (code, b"", b"")


@pytest.mark.parametrize("number", [number for number, _ in CODES])
def test_a_signal_while_the_command_line_is_imported_leaves_no_traceback(python, number):
    program = f"""
class Finder:
    @staticmethod
    def find_spec(name, path=None, target=None):
        if name == "click":
            signal.raise_signal({int(number)})

sys.meta_path.insert(0, Finder)
from lmctl.__main__ import main
main()
"""
    finished = python(program, number)

    assert (finished.returncode, finished.stdout, finished.stderr) == (-number, b"", b"")


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
