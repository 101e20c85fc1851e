"""The meeting of the workers. Each worker is a thread here."""

import contextlib
import itertools
import json
import socket
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from ports import reserved_addresses

from lmctl.errors import AddressError, UsageError, WorkerLostError
from lmctl.training.hosts import meeting
from lmctl.training.hosts.cluster import Cluster
from lmctl.training.hosts.meeting import meet

INPUTS = {"corpus": "0123", "model.layers": "1"}
# Long enough for a busy machine: no test waits so long.
LONG = 120.0


@pytest.fixture
def reserved():
    """`reserved(count)`: addresses at which no other program can listen until the test ends."""
    with contextlib.ExitStack() as stack:
        yield lambda count: stack.enter_context(reserved_addresses(count))


def hold(addresses, inputs=None, numbers=None):
    """The result of every worker: the devices, or the error."""
    inputs = inputs or {}

    def one(number):
        try:
            own = INPUTS | inputs.get(number, {})
            return meet(Cluster(tuple(addresses), number), own, f"device {number}", LONG)
        except (AddressError, UsageError, WorkerLostError) as error:
            return error

    numbers = range(len(addresses)) if numbers is None else numbers
    with ThreadPoolExecutor(len(numbers)) as threads:
        return list(threads.map(one, numbers))


def test_all_workers_learn_the_devices_of_all(reserved):
    assert hold(reserved(3)) == [["device 0", "device 1", "device 2"]] * 3


def test_another_value_is_named_on_both_sides(reserved):
    addresses = reserved(2)

    chief, worker = hold(addresses, {1: {"model.layers": "2"}})

    assert str(chief) == f"worker 1 ({addresses[1]}) has another model.layers than worker 0: 2, not 1"
    assert (type(chief), type(worker), str(worker)) == (UsageError, UsageError, str(chief))


def test_a_long_value_is_not_shown(reserved):
    addresses = reserved(2)

    chief, _ = hold(addresses, {1: {"corpus": "f" * 64}})

    assert str(chief) == f"worker 1 ({addresses[1]}) has another corpus than worker 0"


@pytest.fixture
def greeted(monkeypatch):
    """Set when the chief has read a greeting."""
    found = threading.Event()
    read = meeting._read

    def reading(connection, kind, *until):
        line = read(connection, kind, *until)
        if kind is meeting._Greeting:
            found.set()
        return line

    monkeypatch.setattr(meeting, "_read", reading)
    return found


def lost(cluster, **options):
    """The error of a worker that ends because another one is missing."""
    with pytest.raises(WorkerLostError) as caught:
        meet(cluster, INPUTS, "", **options)
    return str(caught.value)


def test_a_worker_that_does_not_come_is_named_to_all(reserved, greeted):
    addresses = tuple(reserved(3))
    with ThreadPoolExecutor(2) as threads:
        # The time is over when the other worker is there.
        chief = threads.submit(
            lost, Cluster(addresses, 0), seconds=3.0, clock=lambda: 100.0 if greeted.is_set() else 0.0
        )
        worker = threads.submit(lost, Cluster(addresses, 2), seconds=3.0, clock=lambda: 0.0)

    message = f"worker 1 ({addresses[1]}) did not come within 3 s (device.timeout); nothing was trained"
    assert (chief.result(), worker.result()) == (message, message)
    assert WorkerLostError.exit_code == 75


def test_a_worker_that_came_in_time_is_there_although_the_chief_looks_late(reserved):
    cluster, came, looks = Cluster(tuple(reserved(2)), 0), threading.Event(), itertools.count()

    def clock():
        if next(looks) == 0:
            return 0.0
        came.wait(LONG)
        return 100.0

    with ThreadPoolExecutor(1) as threads:
        waiting = threads.submit(meet, cluster, INPUTS, "device 0", 3.0, clock=clock)
        with connect(cluster.endpoint(0)) as connection:
            connection.sendall(greeting(1, "device 1"))
            came.set()
            assert waiting.result() == ["device 0", "device 1"]


def test_a_chief_that_does_not_come_is_named(reserved):
    addresses, instants = tuple(reserved(2)), iter([0.0, 0.0])

    message = lost(Cluster(addresses, 1), seconds=0.5, clock=lambda: next(instants, 100.0))

    assert f"worker 0 ({addresses[0]}) cannot be reached, or did not answer, within 0.5 s" in message


def test_a_port_that_is_taken_is_named(reserved):
    with socket.create_server(("127.0.0.1", 0)) as server:
        taken = f"127.0.0.1:{server.getsockname()[1]}"
        chief, worker = hold([taken, *reserved(1)], numbers=[0, 0])

    assert isinstance(chief, AddressError)
    assert f"worker 0 ({taken}): the port is taken" in str(chief)
    assert str(worker) == str(chief)


def test_a_host_that_is_not_this_machine_is_named():
    # Addresses of RFC 5737, which no machine has.
    with pytest.raises(AddressError, match=r"192\.0\.2\.1:7000\): is no address of this machine"):
        meet(Cluster(("192.0.2.1:7000", "192.0.2.2:7000"), 0), INPUTS, "", LONG)


def test_two_processes_of_one_number_are_refused(reserved):
    """The second one is on another host, so both can listen: here, its list has another address for it."""
    chief, spare, *others = reserved(4)

    def one(addresses, number):
        try:
            return meet(Cluster(tuple(addresses), number), INPUTS, "", LONG)
        except UsageError as error:
            return str(error)

    with ThreadPoolExecutor(3) as threads:
        answers = [
            threads.submit(one, addresses, number)
            for addresses, number in (
                ([chief, *others], 0),
                ([chief, others[0], spare], 1),
                ([chief, others[1], spare], 1),
            )
        ]
    message = "two processes say that they are worker 1; each needs a --worker of its own"
    assert [answer.result() for answer in answers] == [message] * 3


def test_strangers_who_reach_the_port_do_not_matter(reserved):
    addresses = reserved(2)
    chief = Cluster(tuple(addresses), 0)
    with ThreadPoolExecutor(1) as threads:
        waiting = threads.submit(meet, chief, INPUTS, "device 0", LONG)
        for content in (b"GET / HTTP/1.1\r\n\r\n", b"{}\n", b"\xff" * 10_000_000, b""):
            # The chief closes the connection before a line that is too long has been sent to its end.
            with connect(chief.endpoint(0)) as stranger, contextlib.suppress(ConnectionError):
                stranger.sendall(content)
        assert meet(Cluster(tuple(addresses), 1), INPUTS, "device 1", LONG) == ["device 0", "device 1"]
        assert waiting.result() == ["device 0", "device 1"]


def greeting(number, device):
    """The line of a worker."""
    return json.dumps({"worker": number, "inputs": INPUTS, "device": device}).encode() + b"\n"


def connect(endpoint):
    """Connect as soon as someone listens."""
    pause = threading.Event()
    while True:
        try:
            return socket.create_connection(endpoint, timeout=LONG)
        except ConnectionRefusedError:
            pause.wait(0.05)


def test_a_signal_ends_the_wait(reserved):
    addresses = tuple(reserved(2))
    for number in (0, 1):
        lost(Cluster(addresses, number), seconds=LONG, interrupted=lambda: True)


def test_workers_are_told_that_the_chief_was_interrupted(reserved, greeted):
    addresses = tuple(reserved(3))
    with ThreadPoolExecutor(2) as threads:
        chief = threads.submit(lost, Cluster(addresses, 0), seconds=LONG, interrupted=greeted.is_set)
        worker = threads.submit(lost, Cluster(addresses, 1), seconds=LONG)
    message = f"worker 0 ({addresses[0]}) was interrupted; nothing was trained"
    assert (chief.result(), worker.result()) == (message, message)


@pytest.mark.parametrize("order", [(1, 2), (2, 1)])
def test_a_worker_that_has_ended_may_be_started_again(order, reserved, monkeypatch):
    addresses, ended = tuple(reserved(3)), threading.Event()
    read = meeting._read

    def reading(connection, kind, *until):
        ended.wait(LONG)
        return read(connection, kind, *until)

    monkeypatch.setattr(meeting, "_read", reading)
    with ThreadPoolExecutor(1) as threads, contextlib.ExitStack() as connections:
        chief = Cluster(addresses, 0)
        waiting = threads.submit(meet, chief, INPUTS, "device 0", LONG)
        came = {number: connections.enter_context(connect(chief.endpoint(0))) for number in order}
        for number, connection in came.items():
            connection.sendall(greeting(number, f"device {number} before"))
        came[1].close()
        ended.set()
        expected = ["device 0", "device 1", "device 2 before"]
        assert meet(Cluster(addresses, 1), INPUTS, "device 1", LONG) == expected
        assert waiting.result() == expected
