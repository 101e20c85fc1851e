import json
import os
import select
import signal
import socket
import subprocess
import sys
import time

import pytest

from lmctl.errors import LockedError
from lmctl.store.lock import HOLDER, Holder, find_holder, locked
from lmctl.store.notes import write_note

HOLD = """
import sys, time
from pathlib import Path
from lmctl.store.lock import HOLDER, Holder, find_holder, locked
from lmctl.store.notes import write_note
with locked(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(60)
"""


@pytest.fixture
def other(tmp_path):
    """Another process, which holds the lock."""
    process = subprocess.Popen([sys.executable, "-c", HOLD, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "held\n"
    yield process
    process.kill()
    process.communicate()


def test_the_holder_is_named_while_the_lock_is_held_and_nothing_of_it_stays(tmp_path):
    with locked(tmp_path):
        holder = json.loads((tmp_path / "holder.json").read_text())
        assert (holder["pid"], holder["host"]) == (os.getpid(), socket.gethostname())

    assert not (tmp_path / "holder.json").exists()
    with locked(tmp_path):
        pass


def test_a_lock_that_another_process_holds_is_refused_with_its_pid_host_and_start(tmp_path, other):
    since = json.loads((tmp_path / "holder.json").read_text())["since"]

    with pytest.raises(LockedError) as caught, locked(tmp_path):
        pass

    assert caught.value.exit_code == 75
    assert f"(process {other.pid} on {socket.gethostname()}, since {since})" in str(caught.value)
    assert (tmp_path / "holder.json").exists()


def test_the_lock_goes_with_a_process_that_is_killed(tmp_path, other):
    other.send_signal(signal.SIGKILL)
    other.wait()

    with locked(tmp_path):
        assert json.loads((tmp_path / "holder.json").read_text())["pid"] == os.getpid()


def test_waiting_ends_when_the_lock_is_free(tmp_path, other):
    program = HOLD.replace("locked(Path(sys.argv[1]))", "locked(Path(sys.argv[1]), 'wait')")
    waiting = subprocess.Popen([sys.executable, "-c", program, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    time.sleep(1.0)
    # It has not said that it holds the lock, nor given up.
    assert select.select([waiting.stdout], [], [], 0)[0] == []
    assert waiting.poll() is None
    other.kill()

    assert waiting.stdout.readline() == "held\n"
    waiting.kill()
    waiting.communicate()


def test_a_holder_that_cannot_be_read_is_no_excuse(tmp_path, other):
    (tmp_path / "holder.json").write_text("{")

    with pytest.raises(LockedError, match="which does not say who it is"), locked(tmp_path):
        pass


def test_other_models_are_not_locked(tmp_path, other):
    (tmp_path / "another").mkdir()

    with locked(tmp_path / "another"):
        assert (tmp_path / "another/holder.json").exists()


def test_the_holder_is_known_while_the_lock_is_held(tmp_path):
    assert find_holder(tmp_path) is None
    with locked(tmp_path):
        holder = find_holder(tmp_path)
        assert holder is not None
        assert holder.pid == os.getpid()
    assert find_holder(tmp_path) is None


def test_a_holder_on_another_host_is_believed(tmp_path):
    there = Holder(pid=1 << 22, host="elsewhere", since="2026-01-01T00:00:00+00:00")
    write_note(tmp_path / HOLDER, there)

    assert find_holder(tmp_path) == there
