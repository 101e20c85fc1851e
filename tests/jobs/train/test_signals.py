"""Signals are recorded or held back, so that a run ends in order."""

from __future__ import annotations

import os
import signal

import pytest

from lmctl import progress
from lmctl.errors import InterruptedRunError
from lmctl.jobs.train.signals import Signals, listening_for_signals, signals_held_back

ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@pytest.fixture
def handled():
    """The signals that reach the handlers around the block, in order. The old handlers are restored."""
    numbers = []
    before = {number: signal.signal(number, lambda number, _frame: numbers.append(number)) for number in ENDING}
    yield numbers
    for number, handler in before.items():
        signal.signal(number, handler)


def send(number):
    os.kill(os.getpid(), number)


def test_nothing_is_raised_before_a_signal():
    signals = Signals()

    assert not signals.received()
    signals.raise_if_received("starts over")


def test_the_first_signal_decides_the_exit_code():
    signals = Signals()
    signals.record(signal.SIGTERM)
    signals.record(signal.SIGINT)

    assert signals.received()
    with pytest.raises(InterruptedRunError) as caught:
        signals.raise_if_received("starts over")
    assert str(caught.value) == "interrupted; nothing was published, and the same command starts over"
    # 128 plus the number of the signal, as in a shell.
    assert caught.value.exit_code == 128 + 15


def test_work_ends_at_its_first_report_after_a_signal():
    signals, reports = Signals(), []
    with (  # noqa: PT012
        pytest.raises(InterruptedRunError, match="the same command starts over"),
        progress.listening(lambda *report: reports.append(report)),
        signals.enforced("starts over"),
    ):
        progress.tell("counting", 1, 9)
        signals.record(signal.SIGTERM)
        progress.tell("counting", 2, 9)

    assert reports == [("counting", 1, 9)]


def test_work_that_reports_nothing_ends_the_run_at_its_end():
    signals, done = Signals(), []
    with (  # noqa: PT012
        pytest.raises(InterruptedRunError, match="the same command starts over"),
        signals.enforced("starts over"),
    ):
        signals.record(signal.SIGTERM)
        done.append("counted")

    assert done == ["counted"]


@pytest.mark.parametrize("number", ENDING)
def test_a_first_signal_is_recorded_and_a_second_one_handled_as_before(handled, number):
    with listening_for_signals() as signals:
        send(number)
        assert (signals.received(), handled) == (True, [])
        send(signal.SIGTERM)

    assert handled == [signal.SIGTERM]


def test_a_signal_that_comes_while_the_handlers_are_replaced_is_recorded(handled, monkeypatch):
    replace, sent = signal.signal, []

    def replace_and_send(number, handler):
        before = replace(number, handler)
        if not sent:
            sent.append(number)
            send(number)
        return before

    monkeypatch.setattr(signal, "signal", replace_and_send)

    with listening_for_signals() as signals:
        assert (sent, signals.received(), handled) == ([signal.SIGINT], True, [])
    send(signal.SIGTERM)

    assert handled == [signal.SIGTERM]


def test_a_second_hangup_is_recorded(handled):
    with listening_for_signals() as signals:
        send(signal.SIGHUP)
        send(signal.SIGHUP)

        assert (signals.received(), handled) == (True, [])


def test_a_hangup_that_is_ignored_stays_ignored(handled):
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    with listening_for_signals() as signals:
        send(signal.SIGHUP)

        assert not signals.received()


@pytest.mark.parametrize("block", [listening_for_signals, signals_held_back])
def test_handlers_come_back(handled, block):
    before = [signal.getsignal(number) for number in ENDING]
    with block():
        pass

    assert [signal.getsignal(number) for number in ENDING] == before


def test_signals_that_are_held_back_are_handled_when_the_block_ends(handled):
    with signals_held_back():
        send(signal.SIGTERM)
        assert handled == []

    assert handled == [signal.SIGTERM]


def test_all_handlers_come_back_if_a_signal_comes_meanwhile(monkeypatch):
    def interrupt(*_):
        raise KeyboardInterrupt

    before = {number: signal.signal(number, interrupt) for number in ENDING}
    replace, sent = signal.signal, []

    def replace_and_send(number, handler):
        replace(number, handler)
        if not sent:
            sent.append(number)
            signal.raise_signal(number)

    try:
        with pytest.raises(KeyboardInterrupt), signals_held_back():
            monkeypatch.setattr(signal, "signal", replace_and_send)
        assert (sent, [signal.getsignal(number) for number in ENDING]) == ([signal.SIGINT], [interrupt] * 3)
    finally:
        monkeypatch.undo()
        for number, handler in before.items():
            signal.signal(number, handler)
