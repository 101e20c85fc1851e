"""The meeting of the workers. Each worker is a thread here."""

import contextlib
import json
import socket
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from ports import free_addresses

from lmctl.errors import AddressError, UsageError, WorkerLostError
from lmctl.training.hosts import meeting
from lmctl.training.hosts.cluster import Cluster
from lmctl.training.hosts.meeting import meet

INPUTS = {"corpus": "0123", "model.layers": "1"}
# Long enough for a busy machine: no test waits so long.
LONG = 120.0


def hold(addresses, inputs=None, numbers=None, seconds=LONG):
    """The result of every worker: the devices, or the error."""
    inputs = inputs or {}

    def one(number):
        try:
            own = INPUTS | inputs.get(number, {})
            return meet(Cluster(tuple(addresses), number), own, f"device {number}", seconds)
        except (AddressError, UsageError, WorkerLostError) as error:
            return error

    numbers = range(len(addresses)) if numbers is None else numbers
    with ThreadPoolExecutor(len(numbers)) as threads:
        return list(threads.map(one, numbers))


def test_all_workers_learn_the_devices_of_all():
    assert hold(free_addresses(3)) == [["device 0", "device 1", "device 2"]] * 3


def test_another_value_is_named_on_both_sides():
    addresses = free_addresses(2)

    chief, worker = hold(addresses, {1: {"model.layers": "2"}})

    assert str(chief) == f"worker 1 ({addresses[1]}) has another model.layers than worker 0: 2, not 1"
    assert (type(chief), type(worker), str(worker)) == (UsageError, UsageError, str(chief))


def test_a_long_value_is_not_shown():
    addresses = free_addresses(2)

    chief, _ = hold(addresses, {1: {"corpus": "f" * 64}})

    assert str(chief) == f"worker 1 ({addresses[1]}) has another corpus than worker 0"


def test_a_worker_that_does_not_come_is_named_to_all():
    addresses = free_addresses(3)

    chief, worker = hold(addresses, numbers=[0, 2], seconds=3.0)

    assert str(chief) == f"worker 1 ({addresses[1]}) did not come within 3 s (device.timeout); nothing was trained"
    assert (type(worker), str(worker)) == (WorkerLostError, str(chief))
    assert WorkerLostError.exit_code == 75


def test_a_chief_that_does_not_come_is_named():
    addresses = free_addresses(2)

    (worker,) = hold(addresses, numbers=[1], seconds=0.5)

    assert isinstance(worker, WorkerLostError)
    assert f"worker 0 ({addresses[0]}) cannot be reached, or did not answer, within 0.5 s" in str(worker)


def test_a_port_that_is_taken_is_named():
    with socket.create_server(("127.0.0.1", 0)) as server:
        taken = f"127.0.0.1:{server.getsockname()[1]}"
        chief, worker = hold([taken, *free_addresses(1)], numbers=[0, 0])

    assert isinstance(chief, AddressError)
    assert f"worker 0 ({taken}): the port is taken" in str(chief)
    assert str(worker) == str(chief)


def test_a_host_that_is_not_this_machine_is_named():
    # Addresses of RFC 5737, which no machine has.
    with pytest.raises(AddressError, match=r"192\.0\.2\.1:7000\): is no address of this machine"):
        meet(Cluster(("192.0.2.1:7000", "192.0.2.2:7000"), 0), INPUTS, "", LONG)


def test_two_processes_of_one_number_are_refused():
    """The second one is on another host, so both can listen: here, its list has another address for it."""
    chief, spare, *others = free_addresses(4)

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


def test_strangers_who_reach_the_port_do_not_matter():
    addresses = free_addresses(2)
    chief = Cluster(tuple(addresses), 0)
    with ThreadPoolExecutor(1) as threads:
        waiting = threads.submit(meet, chief, INPUTS, "device 0", LONG)
        for content in (b"GET / HTTP/1.1\r\n\r\n", b"{}\n", b"\xff" * 100_000 + b"\n", b""):
            stranger = connect(chief.endpoint(0))
            with stranger:
                stranger.sendall(content)
        assert meet(Cluster(tuple(addresses), 1), INPUTS, "device 1", LONG) == ["device 0", "device 1"]
        assert waiting.result() == ["device 0", "device 1"]


def connect(endpoint):
    """Connect as soon as someone listens."""
    pause = threading.Event()
    while True:
        try:
            return socket.create_connection(endpoint, timeout=LONG)
        except ConnectionRefusedError:
            pause.wait(0.05)


def test_a_signal_ends_the_wait():
    addresses = tuple(free_addresses(2))
    for number in (0, 1):
        with pytest.raises(WorkerLostError):
            meet(Cluster(addresses, number), INPUTS, "", LONG, interrupted=lambda: True)


def test_workers_are_told_that_the_chief_was_interrupted(monkeypatch):
    addresses, greeted = tuple(free_addresses(3)), threading.Event()
    read = meeting._read

    def reading(connection, kind, *until):
        found = read(connection, kind, *until)
        if kind is meeting._Greeting:
            greeted.set()
        return found

    monkeypatch.setattr(meeting, "_read", reading)

    def one(number, interrupted=lambda: False):
        try:
            return meet(Cluster(addresses, number), INPUTS, "", LONG, interrupted)
        except WorkerLostError as error:
            return str(error)

    with ThreadPoolExecutor(2) as threads:
        chief, worker = threads.submit(one, 0, greeted.is_set), threads.submit(one, 1)
    message = f"worker 0 ({addresses[0]}) was interrupted; nothing was trained"
    assert (chief.result(), worker.result()) == (message, message)


@pytest.mark.parametrize("order", [(1, 2), (2, 1)])
def test_a_worker_that_has_ended_may_be_started_again(order, monkeypatch):
    addresses, ended = tuple(free_addresses(3)), threading.Event()
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
            greeting = {"worker": number, "inputs": INPUTS, "device": f"device {number} before"}
            connection.sendall(json.dumps(greeting).encode() + b"\n")
        came[1].close()
        ended.set()
        expected = ["device 0", "device 1", "device 2 before"]
        assert meet(Cluster(addresses, 1), INPUTS, "device 1", LONG) == expected
        assert waiting.result() == expected
