"""A signal ends the command even if Python drops the exception that its handler raises."""

from __future__ import annotations

import signal
import sys
import time
import weakref

import pytest
from waiting import LONGEST_SECONDS

from lmctl.cli import signals as module
from lmctl.cli.signals import RaisingSignals, TerminatedError
from lmctl.jobs.train.signals import listening_for_signals, signals_held_back

ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
EXCEPTIONS = {signal.SIGINT: KeyboardInterrupt, signal.SIGTERM: TerminatedError, signal.SIGHUP: TerminatedError}


@pytest.fixture
def lost(monkeypatch):
    """The exceptions that Python dropped."""
    dropped = []
    monkeypatch.setattr(sys, "unraisablehook", lambda what: dropped.append(what.exc_type))
    return dropped


@pytest.fixture
def handlers():
    """The handlers are set, and the timer never ends by itself. All is as before when the test ends."""
    numbers = (*ENDING, signal.SIGALRM)
    before = [signal.getsignal(number) for number in numbers]
    raising = RaisingSignals()
    raising.install()
    yield raising
    raising.have_ended()
    for number, handler in zip(numbers, before, strict=True):
        signal.signal(number, handler)


@pytest.fixture
def alarm(monkeypatch):
    """Let the time pass after which a lost signal is sent again."""
    monkeypatch.setattr(module, "SECONDS", LONGEST_SECONDS)
    return lambda: signal.raise_signal(signal.SIGALRM)


def is_set():
    """Whether a signal may be sent again later."""
    return signal.getitimer(signal.ITIMER_REAL) != (0.0, 0.0)


def lose(number):
    """Get a signal where Python drops its exception, as importlib has such a place."""

    class Thing:
        pass

    thing = Thing()
    callback = weakref.ref(thing, lambda _: signal.raise_signal(number))
    del thing
    assert callback() is None


@pytest.mark.parametrize("number", ENDING)
def test_a_lost_signal_is_sent_again(handlers, lost, number, monkeypatch):
    monkeypatch.setattr(module, "SECONDS", 0.01)

    lose(number)

    assert lost == [EXCEPTIONS[number]]
    with pytest.raises(EXCEPTIONS[number]):
        time.sleep(LONGEST_SECONDS)


@pytest.mark.parametrize("number", ENDING)
def test_it_is_sent_until_its_exception_arrives(handlers, lost, alarm, number):
    lose(number)
    lose(signal.SIGALRM)

    assert lost == [EXCEPTIONS[number]] * 2
    with pytest.raises(EXCEPTIONS[number]):
        alarm()


@pytest.mark.parametrize("number", ENDING)
def test_clean_up_is_not_disturbed(handlers, alarm, number):
    seen = []
    with pytest.raises(EXCEPTIONS[number]):  # noqa: PT012
        try:
            signal.raise_signal(number)
        finally:
            alarm()
            try:
                int("")
            except ValueError:
                alarm()
            seen.append("cleaned up")
    assert seen == ["cleaned up"]


def test_a_second_hangup_is_ignored(handlers, alarm):
    with pytest.raises(TerminatedError) as caught:
        signal.raise_signal(signal.SIGHUP)
    signal.raise_signal(signal.SIGHUP)
    assert caught.value.code == 128 + 1


def test_nothing_is_sent_after_the_end(handlers, alarm):
    with pytest.raises(TerminatedError):
        signal.raise_signal(signal.SIGTERM)
    assert is_set()
    handlers.have_ended()
    assert not is_set()


def test_a_lost_signal_is_recorded_by_a_run_that_began_meanwhile(handlers, lost, alarm):
    lose(signal.SIGTERM)
    with listening_for_signals() as recorded:
        assert not recorded.received()
        alarm()
        assert recorded.received()
        # The run writes its checkpoint and ends; nothing is raised in it.
        assert not is_set()
        alarm()


def test_a_lost_signal_is_held_back_like_others(handlers, lost, alarm):
    lose(signal.SIGTERM)
    seen = []
    with pytest.raises(TerminatedError), signals_held_back():  # noqa: PT012
        alarm()
        seen.append("still here")
    assert seen == ["still here"]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGHUP])
def test_a_signal_that_is_ignored_stays_ignored(handlers, number):
    signal.signal(number, signal.SIG_IGN)
    handlers.install()
    signal.raise_signal(number)
    assert not is_set()
