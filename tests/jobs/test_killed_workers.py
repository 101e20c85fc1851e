"""Worker processes that are killed or end otherwise: one line of error, and no process remains."""

from __future__ import annotations

import operator
import os
import signal

import pytest
from waiting import wait_until

from lmctl.errors import LmctlError
from lmctl.jobs import workers as module
from lmctl.jobs.workers import workers

KILLED = r"^a worker process was killed \(SIGKILL\), which the kernel does when memory runs out; fewer --jobs need"


class Unpickled:
    """Calls a function when it is unpickled: in the worker, while it receives its item."""

    def __init__(self, function, *arguments):
        self.call = function, arguments

    def __reduce__(self):
        return self.call


KILL = "import os; os.kill(os.getpid(), 9)"


def test_a_worker_that_is_killed_while_it_starts_is_reported(monkeypatch):
    monkeypatch.setattr(module, "START", KILL)

    with workers(2) as ordered_map, pytest.raises(LmctlError, match=KILLED):
        list(ordered_map(operator.neg, range(9)))


def test_a_worker_that_is_killed_while_it_works_is_reported(started):
    with workers(2) as ordered_map, pytest.raises(LmctlError, match=KILLED):
        list(ordered_map(signal.raise_signal, [0, 0, signal.SIGKILL, 0]))

    assert all(process.returncode is not None for process in started)


def test_a_worker_that_is_killed_while_it_receives_an_item_is_reported():
    killer = Unpickled(signal.raise_signal, signal.SIGKILL)

    with workers(2) as ordered_map, pytest.raises(LmctlError, match=KILLED):
        list(ordered_map(operator.not_, [1, killer]))


def test_a_worker_that_is_killed_before_an_item_is_sent_completely_is_reported(monkeypatch):
    ready = "import sys, multiprocessing.connection as m; m.Connection(int(sys.argv[1])).send_bytes(b'ready')"
    monkeypatch.setattr(module, "START", f"{ready}; {KILL}")

    # The items are larger than the buffer of a socket, so sending waits for a reader.
    with workers(2) as ordered_map, pytest.raises(LmctlError, match=KILLED):
        list(ordered_map(operator.length_hint, [b"x" * 50_000_000] * 3))


@pytest.mark.parametrize("sent", [b"", b"\0\0", b"\0\0\3\xe8", b"\0\0\3\xe8 some of a result"])
def test_a_worker_that_is_killed_while_it_sends_a_result_is_reported(helpers, sent):
    helper = helpers(
        f"import os, sys\ndef half(_): os.write(int(sys.argv[1]), {sent!r}); os.kill(os.getpid(), 9)\n"
    )

    with workers(2) as ordered_map, pytest.raises(LmctlError, match=KILLED):
        list(ordered_map(helper.half, range(4)))


# Without a path, it returns at once. With one, it leaves the number of its process there, and works on.
WORK = """
import os, pathlib, time
def work(path):
    if path:
        pathlib.Path(path + ".new").write_text(str(os.getpid()))
        os.rename(path + ".new", path)
        time.sleep(3600)
"""


def test_a_worker_that_is_killed_while_it_has_no_work_is_reported(started, helpers, tmp_path):
    at_work = tmp_path / "at work"
    with workers(2) as ordered_map:
        results = ordered_map(helpers(WORK).work, ["", "", str(at_work)])
        assert [next(results), next(results)] == [None, None]
        wait_until(at_work.exists)
        (idle,) = (process for process in started if process.pid != int(at_work.read_text()))
        idle.send_signal(signal.SIGKILL)
        with pytest.raises(LmctlError, match=KILLED):
            list(results)


def test_another_end_of_a_worker_is_named():
    with workers(2) as ordered_map, pytest.raises(LmctlError, match=r"^a worker process ended with exit code 3 "):
        list(ordered_map(os._exit, [3]))
    with workers(2) as ordered_map, pytest.raises(LmctlError, match=r"ended by signal 14 \(Alarm clock\)$"):
        list(ordered_map(signal.raise_signal, [signal.SIGALRM]))


def test_a_fault_may_be_a_lack_of_memory_and_the_message_says_what_needs_less():
    expected = r"ended by signal 11 \(Segmentation fault\), perhaps for lack of memory; a shorter text needs less$"
    with workers(2, "a shorter text needs less") as ordered_map, pytest.raises(LmctlError, match=expected):
        list(ordered_map(signal.raise_signal, [signal.SIGSEGV]))


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_signals_to_the_whole_group_are_for_the_parent(number):
    with workers(2) as ordered_map:
        assert list(ordered_map(signal.raise_signal, [number, number])) == [None, None]
