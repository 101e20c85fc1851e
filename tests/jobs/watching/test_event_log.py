import json
import os
from pathlib import Path

import pytest

from lmctl.jobs.watching.event_log import EventLog
from lmctl.jobs.watching.events import CheckpointSaved, LockTaken, RunStarted, TextRead
from lmctl.training.events import StepDone


class Clock:
    """A clock that the test moves."""

    seconds = 1000.0

    def __call__(self):
        return self.seconds


def step(number, **changes):
    fields = {
        "epoch": 1,
        "epochs": 2,
        "step": number,
        "tokens": 10 * number,
        "epoch_tokens": 10 * number,
        "tokens_per_epoch": 100,
        "tokens_per_second": 5.0,
        "train_perplexity": 9.0,
        "valid_perplexity": None,
        "seconds_left": 3.0,
    }
    return StepDone(**fields | changes)


def lines(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_every_event_is_written_at_once_as_a_line(tmp_path):
    log = EventLog(str(tmp_path / "log"))

    log(LockTaken(generation="000006"))
    (first,) = lines(tmp_path / "log")
    log(CheckpointSaved(step=7, path=Path("work/checkpoint")))

    assert (first["event"], first["generation"]) == ("lock_taken", "000006")
    assert first["time"].endswith("+00:00")
    _, second = lines(tmp_path / "log")
    del second["time"]
    assert second == {"event": "checkpoint_saved", "step": 7, "path": "work/checkpoint"}


def test_existing_lines_stay(tmp_path):
    (tmp_path / "log").write_text('{"event": "before"}\n')

    EventLog(str(tmp_path / "log"))(LockTaken(generation=None))

    assert [line["event"] for line in lines(tmp_path / "log")] == ["before", "lock_taken"]


def test_a_step_is_written_only_if_no_line_was_written_for_ten_seconds(tmp_path):
    clock = Clock()
    log = EventLog(str(tmp_path / "log"), clock=clock)
    for number in range(1, 31):
        clock.seconds += 1.0
        log(step(number))
        if number == 5:
            log(LockTaken(generation=None))

    assert [line.get("step") for line in lines(tmp_path / "log")] == [None, 15, 25]


def test_reading_is_told_of_like_steps(tmp_path):
    clock = Clock()
    log = EventLog(str(tmp_path / "log"), clock=clock)
    for megabytes in (1, 2):
        clock.seconds += 9.0
        log(TextRead(bytes=megabytes * 1_000_000))

    assert [line["bytes"] for line in lines(tmp_path / "log")] == [2_000_000]


def test_a_number_that_is_not_finite_is_null(tmp_path):
    clock = Clock()
    log = EventLog(str(tmp_path / "log"), clock=clock)
    clock.seconds += 10.0

    log(step(1, train_perplexity=float("inf"), seconds_left=float("nan")))

    (line,) = lines(tmp_path / "log")
    assert (line["train_perplexity"], line["seconds_left"], line["step"]) == (None, None, 1)


def test_a_folder_whose_name_is_not_text_is_printable(tmp_path):
    log = EventLog(str(tmp_path / "log"))

    log(RunStarted(pid=1, lmctl="1", model=Path(os.fsdecode(b"m\xff")), inputs=["a"], settings={}))

    assert lines(tmp_path / "log")[0]["model"] == "m\\xff"


def test_a_log_that_is_renamed_and_made_anew_goes_on_in_the_new_one(tmp_path):
    log = EventLog(str(tmp_path / "log"))
    log(LockTaken(generation="1"))
    (tmp_path / "log").rename(tmp_path / "log.1")
    log(LockTaken(generation="2"))
    (tmp_path / "log").rename(tmp_path / "log.2")
    (tmp_path / "log").touch()
    log(LockTaken(generation="3"))

    there = [lines(tmp_path / name)[0]["generation"] for name in ("log.1", "log.2", "log")]
    assert there == ["1", "2", "3"]
    assert [len(lines(tmp_path / name)) for name in ("log.1", "log.2", "log")] == [1, 1, 1]


def test_a_log_that_is_copied_and_truncated_goes_on_from_its_start(tmp_path):
    log = EventLog(str(tmp_path / "log"))
    log(LockTaken(generation="1"))
    os.truncate(tmp_path / "log", 0)

    log(LockTaken(generation="2"))

    assert (tmp_path / "log").read_bytes().startswith(b'{"time"')
    assert [line["generation"] for line in lines(tmp_path / "log")] == ["2"]


def test_a_full_disk_is_warned_of_once_and_spoils_one_line(tmp_path, monkeypatch, caplog):
    log = EventLog(str(tmp_path / "log"))
    write = os.write

    def half(descriptor, content):
        if len(content) < 20:
            raise OSError(28, "No space left on device")
        return write(descriptor, content[: len(content) // 2])

    log(LockTaken(generation="1"))
    monkeypatch.setattr(os, "write", half)
    log(LockTaken(generation="2"))
    log(LockTaken(generation="3"))
    monkeypatch.setattr(os, "write", write)
    log(LockTaken(generation="4"))

    whole = []
    for line in (tmp_path / "log").read_text().splitlines():
        try:
            whole.append(json.loads(line)["generation"])
        except json.JSONDecodeError:
            continue
    assert whole == ["1", "4"]
    assert caplog.messages == [
        f"{tmp_path}/log: could not be written: No space left on device; the run goes on",
    ]


def test_a_full_device_does_not_end_the_run(caplog):
    log = EventLog("/dev/full")

    log(LockTaken(generation="1"))

    assert caplog.messages == ["/dev/full: could not be written: No space left on device; the run goes on"]


def test_a_pipe_is_written_to_without_being_opened_again(tmp_path):
    reader, writer = os.pipe()
    log = EventLog(f"/dev/fd/{writer}")
    os.close(writer)

    log(LockTaken(generation="1"))
    log(LockTaken(generation="2"))

    assert [json.loads(line)["generation"] for line in os.read(reader, 4096).splitlines()] == ["1", "2"]


@pytest.mark.parametrize(("name", "number"), [("missing/log", 2), (".", 21)])
def test_a_log_that_cannot_be_opened_is_an_error_at_once(tmp_path, name, number):
    with pytest.raises(OSError, match=str(tmp_path)) as caught:
        EventLog(str(tmp_path / name))

    assert caught.value.errno == number
