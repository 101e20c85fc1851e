"""Worker processes: results in order, and an end within seconds whatever becomes of a worker or its parent."""

from __future__ import annotations

import functools
import operator
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from lmctl.errors import DataError, LmctlError
from lmctl.jobs import workers as module
from lmctl.jobs.workers import workers

KILLED = r"^a worker process was killed \(SIGKILL\), which the kernel does when memory runs out; fewer --jobs need"


class Unpickled:
    """Calls a function where it is unpickled: in the worker, while it receives its item."""

    def __init__(self, function, *arguments):
        self.call = function, arguments

    def __reduce__(self):
        return self.call


@pytest.fixture
def helpers(tmp_path, monkeypatch):
    """`helpers(source)`: a module that workers can import too."""

    def make(source):
        name = f"helpers_{abs(hash(str(tmp_path)))}"
        (tmp_path / f"{name}.py").write_text(source)
        monkeypatch.syspath_prepend(tmp_path)
        return __import__(name)

    return make


@pytest.fixture
def started(monkeypatch):
    """The processes that have been started as workers."""
    processes = []

    class Recorded(subprocess.Popen):
        def __init__(self, *arguments, **options):
            super().__init__(*arguments, **options)
            processes.append(self)

    monkeypatch.setattr(module.subprocess, "Popen", Recorded)
    return processes


def test_results_come_in_order_whichever_is_first_done(started):
    with workers(3) as ordered_map:
        doubled = list(ordered_map(functools.partial(operator.mul, 2), range(20)))
        assert all(process.poll() is None for process in started)

    assert doubled == list(range(0, 40, 2))
    assert 1 <= len(started) <= 3
    assert all(process.returncode is not None for process in started)


def test_one_job_is_done_in_this_process(started):
    with workers(1) as ordered_map:
        assert list(ordered_map(lambda _: os.getpid(), range(2))) == [os.getpid()] * 2

    assert not started


def test_no_more_items_are_taken_than_two_a_worker():
    taken, results = [], []

    def items():
        for number in range(20):
            taken.append(number)
            yield number

    with workers(2) as ordered_map:
        for result in ordered_map(operator.neg, items()):
            results.append(result)
            assert len(taken) - len(results) < 4

    assert results == [-number for number in range(20)]


def test_no_more_workers_are_started_than_there_are_items(started):
    with workers(8) as ordered_map:
        assert list(ordered_map(operator.neg, [1, 2])) == [-1, -2]

    assert len(started) <= 2


def test_what_the_function_raises_is_raised_with_the_place_in_the_worker(started):
    with workers(2) as ordered_map, pytest.raises(ZeroDivisionError) as caught:
        list(ordered_map(functools.partial(operator.truediv, 1), [1, 0, 1]))

    assert "in a worker process:" in str(caught.value.__cause__)
    assert "ZeroDivisionError" in str(caught.value.__cause__)
    assert all(process.returncode is not None for process in started)


def test_an_error_of_ours_keeps_its_kind_and_message(helpers):
    helper = helpers("from lmctl.errors import DataError\ndef bad(line): raise DataError(f'line {line}: bad')\n")

    with workers(2) as ordered_map, pytest.raises(DataError, match=r"^line 4: bad$"):
        list(ordered_map(helper.bad, [4]))


def test_an_error_that_cannot_be_sent_is_said(helpers):
    helper = helpers(
        "class TwoArgumentsError(Exception):\n"
        "    def __init__(self, one, two): super().__init__(f'{one} {two}')\n"
        "def bad(_): raise TwoArgumentsError(1, 2)\n"
    )

    with workers(2) as ordered_map, pytest.raises(RuntimeError, match=r"^TwoArgumentsError: 1 2$"):
        list(ordered_map(helper.bad, [4]))


def test_a_worker_without_memory_is_one_line(helpers):
    helper = helpers("def bad(_): raise MemoryError\n")

    with (
        workers(2) as ordered_map,
        pytest.raises(LmctlError, match="a worker process ran out of memory; fewer --jobs"),
    ):
        list(ordered_map(helper.bad, [4]))


# Killed workers -------------------------------------------------------------------------------------------

KILL = "import os; os.kill(os.getpid(), 9)"


def test_a_worker_killed_while_it_starts_is_said(monkeypatch):
    monkeypatch.setattr(module, "START", KILL)

    with workers(2) as ordered_map, pytest.raises(LmctlError, match=KILLED):
        list(ordered_map(operator.neg, range(9)))


def test_a_worker_killed_while_it_works_is_said(started):
    with workers(2) as ordered_map, pytest.raises(LmctlError, match=KILLED):
        list(ordered_map(signal.raise_signal, [0, 0, signal.SIGKILL, 0]))

    assert all(process.returncode is not None for process in started)


def test_a_worker_killed_while_it_receives_an_item_is_said():
    killer = Unpickled(signal.raise_signal, signal.SIGKILL)

    with workers(2) as ordered_map, pytest.raises(LmctlError, match=KILLED):
        list(ordered_map(operator.not_, [1, killer]))


def test_a_worker_killed_before_an_item_is_sent_whole_is_said(monkeypatch):
    ready = "import sys, multiprocessing.connection as m; m.Connection(int(sys.argv[1])).send_bytes(b'ready')"
    monkeypatch.setattr(module, "START", f"{ready}; {KILL}")

    # More than a socket holds: sending it waits for a reader.
    with workers(2) as ordered_map, pytest.raises(LmctlError, match=KILLED):
        list(ordered_map(operator.length_hint, [b"x" * 50_000_000] * 3))


@pytest.mark.parametrize("sent", [b"", b"\0\0", b"\0\0\3\xe8", b"\0\0\3\xe8 some of a result"])
def test_a_worker_killed_while_it_sends_a_result_is_said(helpers, sent):
    helper = helpers(
        f"import os, sys\ndef half(_): os.write(int(sys.argv[1]), {sent!r}); os.kill(os.getpid(), 9)\n"
    )

    with workers(2) as ordered_map, pytest.raises(LmctlError, match=KILLED):
        list(ordered_map(helper.half, range(4)))


def test_a_worker_killed_while_it_has_nothing_to_do_is_said(started):
    with workers(2) as ordered_map:
        # The third item comes late: one worker has nothing to do while the other sleeps.
        def items():
            yield 0.0
            yield 0.0
            yield 60.0

        results = ordered_map(time.sleep, items())
        assert [next(results), next(results)] == [None, None]
        for process in started:
            process.send_signal(signal.SIGKILL)
        with pytest.raises(LmctlError, match=KILLED):
            list(results)


def test_another_end_of_a_worker_is_named():
    with workers(2) as ordered_map, pytest.raises(LmctlError, match=r"^a worker process ended with exit code 3 "):
        list(ordered_map(os._exit, [3]))
    with workers(2) as ordered_map, pytest.raises(LmctlError, match=r"ended by signal 11 \(Segmentation fault\)$"):
        list(ordered_map(signal.raise_signal, [signal.SIGSEGV]))


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_signals_to_the_whole_group_are_for_the_parent(number):
    with workers(2) as ordered_map:
        assert list(ordered_map(signal.raise_signal, [number, number])) == [None, None]


# Limits ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("there", "said"), [(0, "this one does the work alone"), (1, "1 of 3 do the work")])
def test_where_no_more_processes_may_be_started_those_there_are_do_the_work(monkeypatch, caplog, there, said):
    popen, count = subprocess.Popen, iter(range(100))

    def limited(*arguments, **options):
        if next(count) >= there:
            raise BlockingIOError(11, "Resource temporarily unavailable")
        return popen(*arguments, **options)

    monkeypatch.setattr(module.subprocess, "Popen", limited)

    with workers(3) as ordered_map:
        assert list(ordered_map(operator.neg, range(9))) == [-number for number in range(9)]

    assert caplog.messages == [f"no more processes can be started (Resource temporarily unavailable); {said}"]


def test_a_worker_does_without_the_thread_that_watches_its_parent(monkeypatch):
    refuse = "def refuse(*_): raise RuntimeError\n"
    limit = f"import threading\n{refuse}threading.Thread.start = refuse\n"
    monkeypatch.setattr(module, "START", limit + module.START)

    with workers(2) as ordered_map:
        assert list(ordered_map(operator.neg, range(3))) == [0, -1, -2]


# The command ----------------------------------------------------------------------------------------------

# `lmctl`, with chunks so small that a short text is worth several workers.
SMALL_CHUNKS = """
import sys
from lmctl.jobs import prepare
prepare.CHUNK_BYTES = 2000
from lmctl.cli import main
main()
"""
# The first line of a module that says that it was imported, and by whom.
INTRUDER = "import os, sys; os.write(2, f'{__name__} was imported\\n'.encode()); sys.exit(99)\n"


@pytest.fixture
def text(tmp_path):
    path = tmp_path / "text.txt"
    path.write_text("".join(f"{number} {number % 7} {number % 11}\n" for number in range(4000)))
    return path


def prepare_in(folder, text, **options):
    command = [
        sys.executable,
        "-P",
        "-c",
        SMALL_CHUNKS,
        "prepare",
        text,
        "-o",
        folder / "out",
        "--jobs",
        "2",
        "-q",
    ]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, cwd=folder, **options)


def children_of(process):
    return [int(child) for child in Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()]


def some_children(process):
    """The workers, as soon as there are any."""
    while True:
        assert process.poll() is None
        # A process that has just been forked is still its parent's copy.
        children = [child for child in children_of(process) if b"spawn_main" in command_line(child)]
        if children:
            return children
        time.sleep(0.01)


def command_line(pid):
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""


def is_gone(pid):
    try:
        return "State:\tZ" in Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return True


def test_a_run_whose_worker_is_killed_ends_with_one_line_and_without_its_lock(text, tmp_path):
    process = prepare_in(tmp_path, text)
    os.kill(some_children(process)[0], signal.SIGKILL)
    _, error = process.communicate(timeout=300)

    assert process.returncode == 1
    assert error.decode().startswith("lmctl: a worker process was killed (SIGKILL)")
    assert error.count(b"\n") == 1
    assert {path.name for path in (tmp_path / "out").iterdir()} <= {"lock"}


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_run_whose_workers_do_not_answer_can_be_ended(text, tmp_path, number, code):
    process = prepare_in(tmp_path, text, preexec_fn=lambda: signal.signal(number, signal.SIG_DFL))
    children = some_children(process)
    for child in children:
        os.kill(child, signal.SIGSTOP)
    process.send_signal(number)
    _, error = process.communicate(timeout=300)

    assert process.returncode == code
    assert error.count(b"\n") == 1
    assert all(is_gone(child) for child in children)


def test_no_worker_outlives_a_run_that_is_killed(text, tmp_path):
    process = prepare_in(tmp_path, text)
    children = some_children(process)
    process.kill()
    process.communicate()

    # Each ends at its own pace: a minute is far more than any needs, and a test must end.
    end = time.monotonic() + 60
    while not all(is_gone(child) for child in children) and time.monotonic() < end:
        time.sleep(0.05)
    assert all(is_gone(child) for child in children)


def modules_after(code):
    command = [sys.executable, "-I", "-S", "-c", f"{code}; import sys; print(*sys.modules)"]
    return subprocess.run(command, capture_output=True, check=True, text=True).stdout.split()


@pytest.mark.parametrize("start", [["-P", "-c", SMALL_CHUNKS], ["-m", "lmctl"]])
def test_nothing_of_the_current_folder_is_imported(text, tmp_path, start):
    # What `python -m` itself imports before it looks for lmctl is out of reach; `python -P -m` is safe from it.
    by_python = {"importlib", "runpy", *modules_after("import runpy")} if start[0] == "-m" else set()
    names = {*sys.stdlib_module_names, "numpy", "click", "rich", "msgspec", "yaml", "jieba", "rjieba", "filelock"}
    for name in names - by_python:
        (tmp_path / f"{name}.py").write_text(INTRUDER)
    assert (tmp_path / "socket.py").exists()
    assert (tmp_path / "typing.py").exists()
    # A folder that is no package does not stand in the way either.
    (tmp_path / "lmctl").mkdir()
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    arguments = ["prepare", text, "-o", tmp_path / "out", "--jobs", "2", "-q"]

    finished = subprocess.run(
        [sys.executable, *start, *arguments],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        timeout=300,
        check=False,
    )

    assert (finished.returncode, finished.stderr) == (0, b"")
