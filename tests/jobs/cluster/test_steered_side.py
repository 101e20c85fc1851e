"""What a long task and its client tell each other, on the worker."""

import pickle

from lmctl.jobs.cluster import steered_side, worker_side
from lmctl.jobs.cluster.steered_side import SECONDS_OF_SILENCE, Steering


class Clock:
    def __init__(self):
        self.seconds = 100.0

    def __call__(self):
        return self.seconds


def test_reports_are_given_until_the_client_knows_them():
    steering = Steering()
    steering.report("a")
    steering.report("b")

    assert steering.exchange(None, 0) == ["a", "b"]
    # The answer may be lost, so the client says how many it has.
    assert steering.exchange(None, 0) == ["a", "b"]
    steering.report("c")
    assert steering.exchange(None, 2) == ["c"]
    assert steering.exchange(None, 3) == []


def test_an_order_holds_until_there_is_another_one():
    steering = Steering()
    assert steering.order() is None
    steering.exchange("cut", 0)
    assert steering.order() == "cut"


def test_a_task_stops_if_nothing_is_heard_of_the_client():
    clock = Clock()
    steering = Steering(clock)
    clock.seconds += SECONDS_OF_SILENCE
    assert steering.order() is None
    steering.exchange(None, 0)
    clock.seconds += SECONDS_OF_SILENCE
    assert steering.order() is None
    clock.seconds += 0.1
    assert steering.order() == "stop"
    # The network was cut for a while.
    steering.exchange(None, 0)
    assert steering.order() is None


class AskedWhileItRuns:
    """A function that is asked by its client in the midst of its work."""

    def __call__(self, item, steering):
        steering.report(item)
        answer = steered_side.exchange("token", 7, "cut", 0)
        return answer, steering.order(), steered_side.exchange("token", 8, None, 0)


def test_a_task_is_found_by_its_work_and_number_while_it_runs(tmp_path):
    place = tmp_path / "function"
    worker_side.write_function(place, AskedWhileItRuns())

    result = steered_side.run(str(place), "token", 7, pickle.dumps("item"))
    answer, reports = steered_side.answer_and_reports(result)

    # No task 8 runs.
    assert pickle.loads(answer) == ((["item"], "cut", []), None, "")  # noqa: S301
    assert reports == ["item"]
    assert steered_side.exchange("token", 7, None, 0) == []
