import json
import os

import pytest

from lmctl.errors import DataError
from lmctl.store.generations import ModelFolder
from lmctl.store.runs import Run, RunLog


@pytest.fixture
def log(tmp_path):
    return RunLog(ModelFolder.create(tmp_path / "news"))


def run(**changes):
    fields = {"start": "2026-01-02T03:04:05+00:00", "end": "2026-01-02T03:05:05+00:00", "pid": 7}
    return Run(**fields | {"outcome": "published", "exit_code": 0} | changes)


def test_no_run_has_no_line(log):
    assert log.read() == []


def test_every_run_has_a_line_of_json(log, tmp_path):
    first = run(generation="000001", figures={"valid_perplexity": 9.5, "steps": 3})
    second = run(outcome="failed", exit_code=74, message="disk full")
    for each in (first, second):
        log.begin()
        log.end(each)

    assert log.read() == [first, second]
    lines = (tmp_path / "news/runs.jsonl").read_text().splitlines()
    assert json.loads(lines[0])["figures"] == {"valid_perplexity": 9.5, "steps": 3}
    assert json.loads(lines[1])["message"] == "disk full"
    assert list((tmp_path / "news/work").iterdir()) == []
    assert list(log.newest_first()) == [second, first]


def test_figures_may_be_objects(log):
    made = run(figures={"cache": {"words": 2000, "perplexity": 9.5}, "compared": None})
    log.append(made)

    assert log.read() == [made]


def test_the_next_run_writes_the_line_of_one_that_was_killed(log):
    start = log.begin()

    log.begin()
    log.end(run())

    killed, ended = log.read()
    assert (killed.outcome, killed.start, killed.end, killed.exit_code) == ("killed", start, None, None)
    assert killed.pid == os.getpid()
    assert ended.outcome == "published"


def test_a_kill_after_the_line_was_written_is_no_run_of_its_own(log):
    start = log.begin()
    log.append(run(start=start, pid=os.getpid()))
    # The note of the start stays until a run begins; a run with nothing to do does not begin.
    log.append(run(start="2026-01-02T03:04:05+00:00", pid=1, outcome="unchanged"))

    log.begin()
    log.end(run())

    assert [each.outcome for each in log.read()] == ["published", "unchanged", "published"]


@pytest.mark.parametrize("torn", [b'{"start": "2026', b"\xff\xfe", b"[]\n", b"\n"])
def test_a_torn_line_is_skipped_and_does_not_spoil_the_next(log, tmp_path, torn):
    log.append(run(pid=1))
    with (tmp_path / "news/runs.jsonl").open("ab") as file:
        file.write(torn)

    log.append(run(pid=2))

    assert [each.pid for each in log.read()] == [1, 2]


def test_a_note_of_the_beginning_that_cannot_be_read_is_forgotten(log, tmp_path):
    (tmp_path / "news/work/begun.json").write_bytes(b'{"start": "\xff", "pid": 1}')

    log.begin()
    log.end(run())

    assert [each.outcome for each in log.read()] == ["published"]


@pytest.mark.parametrize(
    "line",
    [
        b"[" * 100_000 + b"]" * 100_000,
        b'{"start": "2026-01-01T00:00:00+00:00", "pid": ' + b"9" * 5000 + b', "outcome": "killed"}',
        b'{"start": "-9999-99-99", "pid": 1, "outcome": "killed"}',
        b'{"start": "2026-01-01T00:00:00+00:00", "end": "9-", "pid": 1, "outcome": "killed"}',
        b'{"start": "2026-01-01T00:00:00+00:00", "pid": 1, "outcome": "else"}',
        b"\xff\n\0",
    ],
)
def test_a_line_that_somebody_else_wrote_is_left_out_if_it_is_none(log, tmp_path, line):
    log.append(run())
    with (tmp_path / "news/runs.jsonl").open("ab") as file:
        file.write(line + b"\n")

    assert log.read() == [run()]


def test_of_a_log_without_end_the_newest_runs_are_read(log, tmp_path):
    # A hole of 100 GB takes no room on disk.
    (tmp_path / "news/runs.jsonl").touch()
    os.truncate(tmp_path / "news/runs.jsonl", 100 << 30)
    log.append(run())

    assert next(log.newest_first()) == run()


def test_a_log_that_is_a_pipe_is_refused_and_not_waited_for(log, tmp_path):
    os.mkfifo(tmp_path / "news/runs.jsonl")

    with pytest.raises(DataError, match=r"runs\.jsonl: expected a file, got a named pipe"):
        log.read()
