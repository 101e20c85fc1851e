"""`lmctl predict` in a pipe: UTF-8 in any locale, an answer for each line as it arrives, constant memory."""

from __future__ import annotations

import json
import subprocess
import sys
import threading

import pytest
from waiting import LONGEST_SECONDS


def test_output_is_utf8_in_every_locale(lmctl, make_bundle, tmp_path):
    bundle = make_bundle(tmp_path / "words", words=("naïve", "日本", "🌲"))

    finished = lmctl(
        *("predict", "-m", bundle, "--format", "words", "日本 naïve"),
        env={"LANG": "C", "LC_ALL": "C", "PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0"},
    )

    assert (finished.code, finished.err) == (0, "")
    assert sorted(finished.out.split()) == sorted(["naïve", "日本", "🌲"])


def test_contexts_as_arguments_are_utf8_in_every_locale(lmctl, make_bundle, tmp_path):
    bundle = make_bundle(tmp_path / "words", words=("naïve", "日本"))

    finished = lmctl("predict", "-m", bundle, "--json", "日本 naïve", env={"LANG": "C", "LC_ALL": "C"})

    record = json.loads(finished.out)
    assert (record["context"], record["oov"]) == ("日本 naïve", [])


@pytest.fixture
def coprocess(command, clean_environment, bundle):
    """A running `lmctl predict` that a test writes to and reads from. It is killed if it hangs."""
    with subprocess.Popen(
        [*command, "predict", "-m", str(bundle)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=clean_environment(),
    ) as process:
        limit = threading.Timer(LONGEST_SECONDS, process.kill)
        limit.start()
        yield process
        limit.cancel()
        process.kill()


def test_a_writer_that_waits_for_each_answer_gets_it_a_thousand_times(coprocess, bundle, call):
    expected = call("predict", "-m", bundle, "the cat", "the dog").out.encode().splitlines(keepends=True)

    answers = []
    for number in range(1000):
        coprocess.stdin.write([b"the cat\n", b"the dog\n"][number % 2])
        coprocess.stdin.flush()
        answers.append(coprocess.stdout.readline())
    coprocess.stdin.close()

    assert answers == expected * 500
    assert coprocess.stdout.read() == b""
    assert coprocess.wait(LONGEST_SECONDS) == 0


def test_lines_that_arrive_in_pieces_are_put_together(coprocess, bundle, call):
    for piece in (b"the c", b"at\nthe d"):
        coprocess.stdin.write(piece)
        coprocess.stdin.flush()
    first = coprocess.stdout.readline()
    rest, _ = coprocess.communicate(b"og\nsat")

    assert first + rest == call("predict", "-m", bundle, "the cat", "the dog", "sat").out.encode()


def peak_kilobytes(command, bundle, contexts, clean_environment):
    """The peak memory of a run of predict, from its parent, and the number of lines that it answered."""
    script = (
        "import resource, subprocess, sys\n"
        "subprocess.run(sys.argv[1:], check=True)\n"
        "sys.stderr.write(str(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, *command, "predict", "-m", str(bundle), "-k", "1", "--format", "words"],
        input=contexts,
        capture_output=True,
        env=clean_environment(),
        timeout=LONGEST_SECONDS,
        check=True,
    )
    return int(done.stderr), done.stdout.count(b"\n")


def test_memory_does_not_grow_with_the_stream(command, clean_environment, bundle):
    # A context of 20 kB with only a hundred words: many bytes, but a fast answer.
    line = (b"w" * 199 + b" ") * 100 + b"\n"
    short, answered_short = peak_kilobytes(command, bundle, line * 20, clean_environment)
    long, answered_long = peak_kilobytes(command, bundle, line * 1000, clean_environment)

    assert (answered_short, answered_long) == (20, 1000)
    assert long < short + 6_000
