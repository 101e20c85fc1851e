import errno
import fcntl
import itertools
import json
import os
import shutil
import signal
import socket
import subprocess
import sys

import pytest

from lmctl.errors import LockedError, StorageError
from lmctl.store.layout import HOLDER
from lmctl.store.lock import Holder, is_locked, locked
from lmctl.store.notes import write_note

HOLD = """
import sys, time
from pathlib import Path
from lmctl.store.lock import locked
with locked(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(3600)
"""
# It says that it waits when it pauses between its first try and its second.
WAIT = """
import time
sleep = time.sleep
def pause(seconds):
    print("waits", flush=True)
    time.sleep = sleep
time.sleep = pause
""" + HOLD.replace("locked(Path(sys.argv[1]))", "locked(Path(sys.argv[1]), 'wait')")


@pytest.fixture
def other(tmp_path):
    """Another process that holds the lock."""
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


def test_a_note_that_does_not_fit_on_the_disk_does_not_keep_the_lock_from_a_run(tmp_path, monkeypatch):
    """The run goes on to the step that needs the disk, whose failure removes what the run has made."""

    def full(_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("lmctl.store.lock._note_holder", full)

    with locked(tmp_path):
        assert is_locked(tmp_path)


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
    waiting = subprocess.Popen([sys.executable, "-c", WAIT, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    assert waiting.stdout.readline() == "waits\n"
    other.kill()

    assert waiting.stdout.readline() == "held\n"
    waiting.kill()
    waiting.communicate()


def test_a_holder_that_cannot_be_read_is_no_excuse(tmp_path, other):
    (tmp_path / "holder.json").write_text("{")

    with pytest.raises(LockedError, match="its process is unknown"), locked(tmp_path):
        pass


def test_other_models_are_not_locked(tmp_path, other):
    (tmp_path / "another").mkdir()

    with locked(tmp_path / "another"):
        assert (tmp_path / "another/holder.json").exists()


def test_whether_the_lock_is_held_is_asked_of_the_lock(tmp_path):
    assert not is_locked(tmp_path)
    with locked(tmp_path):
        assert is_locked(tmp_path)
    assert not is_locked(tmp_path)


def test_a_lock_that_another_process_holds_is_seen_without_its_note(tmp_path, other):
    (tmp_path / HOLDER).unlink()

    assert is_locked(tmp_path)


@pytest.mark.parametrize(
    ("pid", "host"),
    [(1 << 22, "elsewhere"), (os.getpid(), socket.gethostname())],
    ids=["another host", "this host"],
)
def test_a_note_of_a_run_that_died_holds_no_lock(tmp_path, pid, host):
    with locked(tmp_path):
        pass
    write_note(tmp_path / HOLDER, Holder(pid=pid, host=host, since="2026-01-01T00:00:00+00:00"))

    assert not is_locked(tmp_path)


def test_asking_whether_the_lock_is_held_refuses_no_run_that_starts_meanwhile(tmp_path, monkeypatch):
    (tmp_path / "lock").touch()
    asking = os.open(tmp_path / "lock", os.O_RDONLY)
    fcntl.flock(asking, fcntl.LOCK_SH)
    # The answer is there while the run sleeps between its first try and its second.
    monkeypatch.setattr("time.sleep", lambda _: fcntl.flock(asking, fcntl.LOCK_UN))
    # A busy machine stops the run for half a minute at every step.
    monkeypatch.setattr("time.perf_counter", itertools.count(0, 30).__next__)

    with locked(tmp_path):
        assert is_locked(tmp_path)
    os.close(asking)


def test_without_flock_the_note_is_asked(tmp_path, monkeypatch):
    def unsupported(*_):
        raise OSError(errno.EOPNOTSUPP, "Operation not supported")

    (tmp_path / "lock").touch()
    monkeypatch.setattr("fcntl.flock", unsupported)
    assert not is_locked(tmp_path)
    write_note(tmp_path / HOLDER, Holder(pid=1, host="elsewhere", since="2026-01-01T00:00:00+00:00"))
    assert is_locked(tmp_path)


@pytest.mark.parametrize("number", [errno.ENOSYS, errno.EOPNOTSUPP, errno.ENOLCK])
def test_a_file_system_without_locks_is_refused_and_no_marker_stays(tmp_path, monkeypatch, number):
    # filelock 4.2 would make a marker for ENOSYS, which stays after a kill; flock(2) lists the other errors.
    def unsupported(*_):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr("fcntl.flock", unsupported)

    with pytest.raises(StorageError) as caught, locked(tmp_path):
        pass

    assert caught.value.exit_code == 74
    assert str(caught.value) == (
        f"{tmp_path / 'lock'}: its file system has no locks ({os.strerror(number)}), which keep two runs apart; "
        "name a folder on another file system"
    )
    assert [(path.name, path.read_bytes()) for path in tmp_path.iterdir()] in ([], [("lock", b"")])


def test_a_folder_that_is_removed_while_a_run_waits_for_its_lock_is_made_again(tmp_path, monkeypatch):
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "lock").touch()
    other = os.open(folder / "lock", os.O_RDONLY)
    fcntl.flock(other, fcntl.LOCK_EX)

    def end_the_other(_seconds):
        # The holder removes its folder between two attempts.
        if folder.exists():
            shutil.rmtree(folder)
            os.close(other)

    monkeypatch.setattr("time.sleep", end_the_other)

    with locked(folder, "wait"):
        assert is_locked(folder)


def test_a_lock_that_is_a_symbolic_link_is_refused_in_one_line_and_not_followed(tmp_path):
    # filelock 4.2 raises OSError 40 for it: Too many levels of symbolic links.
    (tmp_path / "mine").write_text("mine")
    (tmp_path / "lock").symlink_to("mine")

    with pytest.raises(StorageError) as caught, locked(tmp_path):
        pass

    assert caught.value.exit_code == 74
    assert str(caught.value) == (
        f"{tmp_path / 'lock'}: is a symbolic link; expected the lock file, which lmctl makes itself; remove it"
    )
    assert (tmp_path / "mine").read_text() == "mine"


def test_a_lock_that_is_a_folder_is_refused(tmp_path):
    (tmp_path / "lock").mkdir()

    with pytest.raises(StorageError, match="is a folder; expected the lock file"), locked(tmp_path):
        pass


@pytest.mark.parametrize("name", ["lock", "holder.json"])
def test_files_of_others_with_the_names_of_the_lock_and_its_note_stay_as_they_are(tmp_path, name):
    (tmp_path / name).write_text('{"of": "another program"}')

    with locked(tmp_path):
        assert is_locked(tmp_path)

    assert (tmp_path / name).read_text() == '{"of": "another program"}'
