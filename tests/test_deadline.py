import pytest

from lmctl import progress
from lmctl.deadline import NEVER, Deadline, paced
from lmctl.errors import OutOfTimeError


class Clock:
    """A clock that the test moves."""

    def __init__(self):
        self.seconds = 1000.0

    def __call__(self):
        return self.seconds


@pytest.fixture
def clock():
    return Clock()


def sizes_of_pieces(clock, deadline, items, seconds_of_item, **sizes):
    """The sizes of the pieces, if each item takes this many seconds (a number, or clock -> number)."""
    found = []
    for piece in paced(items, lambda _: 1, deadline, **sizes):
        found.append(len(piece))
        for _ in piece:
            clock.seconds += seconds_of_item(clock.seconds) if callable(seconds_of_item) else seconds_of_item
    return found


def test_without_an_end_all_pieces_have_the_largest_size(clock):
    assert sizes_of_pieces(clock, NEVER, range(25), 1.0, fewest=2, most=10) == [10, 10, 5]
    assert not NEVER.exists
    assert not NEVER.is_over()


def test_a_piece_takes_a_quarter_of_the_time_left(clock):
    deadline = Deadline(1100.0, clock)

    # The second piece has a quarter of 96 s, and the pieces then shrink. After 86 s, four items would take more
    # than a quarter of the time left.
    assert sizes_of_pieces(clock, deadline, range(1000), 1.0, fewest=4, most=1000) == [4, 24, 18, 13, 10, 7, 6, 4]
    assert clock.seconds == 1086.0


def test_pieces_end_in_time_if_the_machine_becomes_four_times_as_slow_at_any_time(clock):
    for slow_from in range(1000, 1100):
        clock.seconds = 1000.0
        deadline = Deadline(1100.0, clock)
        sizes_of_pieces(
            clock, deadline, range(1000), lambda now, at=slow_from: 4.0 if now >= at else 1.0, fewest=1, most=1000
        )
        assert 1060.0 <= clock.seconds <= 1100.0


def test_the_first_piece_is_yielded_even_if_no_time_is_left(clock):
    assert sizes_of_pieces(clock, Deadline(900.0, clock), range(10), 1.0, fewest=3, most=10) == [3]


def test_items_that_take_no_time_are_all_yielded(clock):
    assert sizes_of_pieces(clock, Deadline(1001.0, clock), range(10), 0.0, fewest=3, most=4) == [3, 4, 3]


def test_an_end_that_is_enforced_ends_work_at_its_next_report(clock):
    heard, done = [], []
    deadline = Deadline(1010.0, clock)

    def work():
        for number in range(5):
            progress.tell("work", number, 5)
            done.append(number)
            clock.seconds += 4.0

    with (
        progress.listening(lambda *report: heard.append(report)),
        pytest.raises(OutOfTimeError, match=r"^over$"),
        deadline.enforced("over"),
    ):
        work()

    assert done == [0, 1, 2]
    assert heard == [("work", 0, 5), ("work", 1, 5), ("work", 2, 5)]


def test_a_deadline_can_be_earlier(clock):
    deadline = Deadline(1010.0, clock).earlier(4.0)

    assert deadline.left() == 6.0
    assert NEVER.earlier(4.0).end == NEVER.end
