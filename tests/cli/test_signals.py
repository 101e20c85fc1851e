"""A signal ends the command even if Python drops the exception that its handler raises."""

from __future__ import annotations

import signal
import sys
import time
import weakref

import pytest
from waiting import LONGEST_SECONDS

from lmctl.cli import signals as module
from lmctl.cli.signals import ENDING, RaisingSignals, TerminatedError
from lmctl.errors import DataError, InterruptedRunError
from lmctl.jobs.train.signals import listening_for_signals, signals_held_back

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
    before, report = [signal.getsignal(number) for number in numbers], sys.unraisablehook
    for number in ENDING:
        # A shell starts background jobs with SIGINT ignored, and nohup ignores SIGHUP.
        signal.signal(number, signal.SIG_DFL)
    raising = RaisingSignals()
    raising.install()
    yield raising
    raising.have_ended()
    sys.unraisablehook = report
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


class Thing:
    """Something that a weak reference can have."""


def lose(number):
    """Get a signal where Python drops its exception, as importlib has such a place."""
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


@pytest.mark.parametrize("first", ENDING)
def test_a_hangup_after_another_signal_is_ignored(handlers, alarm, first):
    with pytest.raises(EXCEPTIONS[first]):
        signal.raise_signal(first)
    signal.raise_signal(signal.SIGHUP)


@pytest.mark.parametrize("number", ENDING)
def test_a_dropped_exception_is_not_reported_and_others_are(handlers, alarm, number, monkeypatch):
    reported = []
    monkeypatch.setattr(sys, "unraisablehook", lambda what: reported.append(what.exc_type))
    handlers.install()

    lose(number)
    assert reported == []
    weakref.finalize(thing := Thing(), int, "no number")
    del thing
    assert reported == [ValueError]


@pytest.mark.parametrize("number", ENDING)
def test_an_error_in_place_of_the_exception_is_not_the_outcome(handlers, lost, alarm, number):
    # So does pybind11 if an exception comes while it starts a module.
    with pytest.raises(EXCEPTIONS[number]) as caught, handlers.as_the_outcome():  # noqa: PT012
        lose(number)
        raise ImportError("initialization failed")
    assert isinstance(caught.value.__cause__, ImportError)


@pytest.mark.parametrize("error", [DataError("no text"), InterruptedRunError("interrupted", signal.SIGINT)])
def test_other_errors_are_the_outcome(handlers, error):
    with pytest.raises(type(error)) as caught, handlers.as_the_outcome():
        raise error
    assert caught.value is error


def test_a_run_that_recorded_another_signal_says_so_itself(handlers, lost, alarm):
    error = InterruptedRunError("interrupted; the same command starts over", signal.SIGINT)
    with pytest.raises(InterruptedRunError) as caught, handlers.as_the_outcome():  # noqa: PT012
        lose(signal.SIGTERM)
        raise error
    assert caught.value is error


def test_nothing_is_sent_or_raised_after_the_end(handlers, alarm):
    with pytest.raises(TerminatedError):
        signal.raise_signal(signal.SIGTERM)
    assert is_set()
    handlers.have_ended()
    assert not is_set()
    assert [signal.getsignal(number) for number in ENDING] == [signal.SIG_DFL, signal.SIG_DFL, signal.SIG_IGN]


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
    handlers.have_ended()
    assert signal.getsignal(number) is signal.SIG_IGN
