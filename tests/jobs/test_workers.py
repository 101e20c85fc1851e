"""Worker processes: results in order, errors, and limits of the system."""

from __future__ import annotations

import functools
import operator
import os
import subprocess

import pytest

from lmctl.errors import DataError, LmctlError
from lmctl.jobs import workers as module
from lmctl.jobs.workers import workers


def test_results_are_in_the_order_of_the_items(started):
    with workers(3) as ordered_map:
        doubled = list(ordered_map(functools.partial(operator.mul, 2), range(20)))
        assert all(process.poll() is None for process in started)

    assert doubled == list(range(0, 40, 2))
    assert 1 <= len(started) <= 3
    assert all(process.returncode is not None for process in started)


def test_workers_of_a_block_apply_one_function_after_the_other(started):
    with workers(2) as ordered_map:
        negative = list(ordered_map(operator.neg, [1, 2, 3]))
        positive = list(ordered_map(operator.pos, [1, 2, 3]))

    assert (negative, positive) == ([-1, -2, -3], [1, 2, 3])
    assert len(started) <= 2


def test_one_job_is_done_in_this_process(started):
    with workers(1) as ordered_map:
        assert list(ordered_map(lambda _: os.getpid(), range(2))) == [os.getpid()] * 2

    assert not started


def test_at_most_two_items_are_taken_for_each_worker():
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


def test_an_exception_of_the_function_is_raised_with_its_place_in_the_worker(started):
    with workers(2) as ordered_map, pytest.raises(ZeroDivisionError) as caught:
        list(ordered_map(functools.partial(operator.truediv, 1), [1, 0, 1]))

    assert "in a worker process:" in str(caught.value.__cause__)
    assert "ZeroDivisionError" in str(caught.value.__cause__)
    assert all(process.returncode is not None for process in started)


def test_an_error_of_ours_keeps_its_kind_and_message(helpers):
    helper = helpers("from lmctl.errors import DataError\ndef bad(line): raise DataError(f'line {line}: bad')\n")

    with workers(2) as ordered_map, pytest.raises(DataError, match=r"^line 4: bad$"):
        list(ordered_map(helper.bad, [4]))


def test_an_exception_that_cannot_be_pickled_is_reported(helpers):
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


@pytest.mark.parametrize(("there", "said"), [(0, "this one does the work alone"), (1, "1 of 3 do the work")])
def test_if_no_more_processes_can_be_started_the_existing_ones_do_the_work(monkeypatch, caplog, there, said):
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
