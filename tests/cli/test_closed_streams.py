"""Readers that close a pipe early, closed streams, full disks, and terminals without input."""

from __future__ import annotations

import os
import pty
import subprocess

import pytest
from refusals import assert_refused
from waiting import LONGEST_SECONDS


def start_reading(command, clean_environment, arguments, lines):
    """Start the command with standard output in a pipe. The test reads only a few lines of it."""
    process = subprocess.Popen(
        [*command, *map(str, arguments)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=clean_environment(),
    )
    read = [process.stdout.readline() for _ in range(lines)]
    process.stdout.close()
    error = process.stderr.read()
    process.stderr.close()
    return read, process.wait(LONGEST_SECONDS), error


@pytest.mark.parametrize(
    "arguments",
    [
        ("predict", "-m", "{bundle}", "-k", "7", "-f", "{text}"),
        ("eval", "-m", "{bundle}", "--level", "word", "--format", "kenlm", "{text}"),
        ("prepare", "--stdout", "{text}"),
    ],
    ids=["predict", "eval", "prepare"],
)
def test_a_reader_that_goes_away_ends_the_command_silently(command, clean_environment, write, bundle, arguments):
    text = write("long.txt", b"the cat sat on the mat .\n" * 5000)

    read, code, error = start_reading(
        command, clean_environment, [part.format(bundle=bundle, text=text) for part in arguments], 1
    )

    assert read[0].startswith((b"the", b"mat", b"dog", b"cat", b"sat", b"on", b"."))
    assert (code, error) == (141, b"")


@pytest.mark.parametrize("arguments", [("--help",), ("info", "{bundle}"), ("predict", "-m", "{bundle}", "the")])
def test_a_reader_that_is_gone_before_a_short_answer_is_141_too(command, clean_environment, bundle, arguments):
    reader, writer = os.pipe()
    os.close(reader)
    try:
        finished = subprocess.run(
            [*command, *(part.format(bundle=bundle) for part in arguments)],
            stdin=subprocess.DEVNULL,
            stdout=writer,
            stderr=subprocess.PIPE,
            env=clean_environment(),
            timeout=LONGEST_SECONDS,
            check=False,
        )
    finally:
        os.close(writer)

    assert (finished.returncode, finished.stderr) == (141, b"")


@pytest.mark.parametrize("arguments", [("predict", "-m", "{bundle}", "the"), ("info", "{bundle}"), ("--help",)])
def test_results_that_do_not_fit_on_the_disk_are_an_error(command, clean_environment, bundle, arguments):
    shell = 'exec "$@" > /dev/full'
    finished = subprocess.run(
        ["sh", "-c", shell, "sh", *command, *(part.format(bundle=bundle) for part in arguments)],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        env=clean_environment(),
        timeout=LONGEST_SECONDS,
        check=False,
    )

    assert finished.returncode == 74
    assert finished.stderr.count("\n") == 1
    assert "No space left on device" in finished.stderr


@pytest.mark.parametrize(
    ("redirection", "arguments", "code", "reason"),
    [
        ("<&-", ("predict", "-m", "{bundle}"), 2, "no TEXT given, and standard input is closed"),
        ("<&-", ("eval", "-m", "{bundle}"), 2, "no FILE given, and standard input is closed"),
        ("<&-", ("predict", "-m", "{bundle}", "-f", "-"), 74, "standard input: cannot be read"),
        ("<&-", ("eval", "-m", "{bundle}", "-"), 74, "standard input: cannot be read"),
        (">&-", ("predict", "-m", "{bundle}", "the"), 74, "standard output is closed"),
        (">&-", ("info", "{bundle}"), 74, "standard output is closed"),
    ],
)
def test_a_closed_stream_is_an_error_and_no_bug(
    command, clean_environment, bundle, redirection, arguments, code, reason
):
    finished = subprocess.run(
        ["sh", "-c", f'exec "$@" {redirection}', "sh", *command]
        + [part.format(bundle=bundle) for part in arguments],
        capture_output=True,
        text=True,
        env=clean_environment(),
        timeout=LONGEST_SECONDS,
        check=False,
    )

    assert_refused(Streams(finished), code, reason)


class Streams:
    """A completed process under the names of `Finished`."""

    def __init__(self, done: subprocess.CompletedProcess[str]) -> None:
        self.code, self.out, self.err = done.returncode, done.stdout, done.stderr


def test_a_closed_standard_error_costs_no_result(command, clean_environment, bundle):
    finished = subprocess.run(
        ["sh", "-c", 'exec "$@" 2>&-', "sh", *command, "predict", "-m", str(bundle), "-k", "1", "the"],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        text=True,
        env=clean_environment(),
        timeout=LONGEST_SECONDS,
        check=False,
    )

    assert finished.returncode == 0
    assert len(finished.stdout.split()) == 2


@pytest.mark.parametrize(("name", "wanted"), [("predict", "TEXT"), ("eval", "FILE")])
def test_a_terminal_with_nothing_to_do_is_a_usage_error_and_no_hang(
    command, clean_environment, bundle, name, wanted
):
    keyboard, terminal = pty.openpty()
    try:
        finished = subprocess.run(
            [*command, name, "-m", str(bundle)],
            stdin=terminal,
            capture_output=True,
            text=True,
            env=clean_environment(),
            timeout=LONGEST_SECONDS,
            check=False,
        )
    finally:
        os.close(keyboard)
        os.close(terminal)

    assert_refused(Streams(finished), 2, f"no {wanted} given, and standard input is a terminal; give {wanted}")
