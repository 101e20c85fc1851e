"""Streams that do not block, are full, or are closed: the results are complete, or the command fails."""

from __future__ import annotations

import fcntl
import os
import select
import signal
import subprocess
import time

import pytest
from waiting import LONGEST_SECONDS, wait_until

TEXT = b"the cat sat on the mat .\n" * 3000
# Every command that can print more than a pipe holds, and the number of lines that it prints for TEXT.
LONG_RESULTS = {
    "predict": (("predict", "-m", "{bundle}", "-f", "{text}"), 3000),
    "predict jsonl": (("predict", "-m", "{bundle}", "-f", "{text}", "--json"), 3000),
    "eval": (("eval", "-m", "{bundle}", "{text}", "--level", "word"), 1 + 8 * 3000),
    "prepare": (("prepare", "--stdout", "{text}"), 3000),
}


def pipe_that_does_not_block(side):
    """Both ends of a pipe; the reader (0) or the writer (1) does not block."""
    ends = os.pipe()
    fcntl.fcntl(ends[side], fcntl.F_SETFL, fcntl.fcntl(ends[side], fcntl.F_GETFL) | os.O_NONBLOCK)
    return ends


def read_to_the_end(reader):
    with os.fdopen(reader, "rb") as file:
        return file.read()


def start(command, environment, arguments, **streams):
    return subprocess.Popen([*command, *arguments], env=environment(), **streams)


@pytest.mark.parametrize("name", LONG_RESULTS)
def test_a_pipe_that_does_not_block_gets_every_line(command, clean_environment, write, bundle, name):
    arguments, lines = LONG_RESULTS[name]
    text = write("text.txt", TEXT)
    reader, writer = pipe_that_does_not_block(1)
    process = start(
        command,
        clean_environment,
        [part.format(bundle=bundle, text=text) for part in arguments],
        stdin=subprocess.DEVNULL,
        stdout=writer,
    )
    # Nobody reads yet.
    wait_until_full(writer)
    os.close(writer)

    content = read_to_the_end(reader)

    assert process.wait(LONGEST_SECONDS) == 0
    assert content.count(b"\n") == lines
    assert content.endswith(b"\n")


def wait_until_full(writer):
    """Wait until a pipe takes no more bytes."""
    wait_until(lambda: not select.select([], [writer], [], 0)[1])


def test_the_flag_of_a_pipe_that_does_not_block_stays(command, clean_environment, bundle):
    reader, writer = pipe_that_does_not_block(1)
    process = start(command, clean_environment, ["info", str(bundle)], stdout=writer)
    process.wait(LONGEST_SECONDS)

    assert fcntl.fcntl(writer, fcntl.F_GETFL) & os.O_NONBLOCK
    os.close(writer)
    assert b"vocabulary" in read_to_the_end(reader)


@pytest.mark.parametrize(
    ("arguments", "lines"),
    [
        (("predict", "-m", "{bundle}"), 4),
        (("eval", "-m", "{bundle}", "-", "--level", "sentence"), 5),
        (("prepare", "--stdout", "-"), 4),
    ],
)
def test_input_that_does_not_block_is_read_to_its_end(command, clean_environment, bundle, arguments, lines):
    reader, writer = pipe_that_does_not_block(0)
    process = start(
        command,
        clean_environment,
        [part.format(bundle=bundle) for part in arguments],
        stdin=reader,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    # Unless the machine is slow, there is no input yet when the command starts to read.
    time.sleep(0.4)
    for _ in range(4):
        os.write(writer, b"the cat\n")
        # There is none between two lines.
        wait_until(lambda: not select.select([reader], [], [], 0)[0])
    os.close(reader)
    os.close(writer)
    out, err = process.communicate(timeout=LONGEST_SECONDS)

    assert (process.returncode, err) == (0, b"")
    assert out.count(b"\n") == lines


# Warnings on standard error. Each command prints one, and does its work.
WARNS = ("prepare", "--stdout", "--set", "text.user_dictionary={words}", "{text}")


@pytest.mark.parametrize("stream", ["full", "closed", "a pipe without a reader"])
def test_a_warning_that_cannot_be_written_ends_nothing(command, clean_environment, write, stream):
    text, words = write("text.txt", b"the cat\n"), write("words.txt", b"cat\n")
    shell = {"full": 'exec "$@" 2>/dev/full', "closed": 'exec "$@" 2>&-'}.get(stream, 'exec "$@"')
    reader, writer = os.pipe()
    os.close(reader)
    finished = subprocess.run(
        ["sh", "-c", shell, "sh", *command, *(part.format(words=words, text=text) for part in WARNS)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=writer,
        env=clean_environment(),
        timeout=LONGEST_SECONDS,
        check=False,
    )
    os.close(writer)

    assert (finished.returncode, finished.stdout) == (0, b"the cat\n")


@pytest.mark.parametrize("redirection", ["2>/dev/full", "2>&-"])
@pytest.mark.parametrize(
    ("arguments", "code"),
    [(("predict", "--zzz"), 2), (("predict", "-m", "nowhere", "x"), 66), (("prepare", "nowhere", "-o", "x"), 66)],
)
def test_an_error_that_cannot_be_written_keeps_its_exit_code(
    command, clean_environment, tmp_path, redirection, arguments, code
):
    finished = subprocess.run(
        ["sh", "-c", f'exec "$@" {redirection}', "sh", *command, *arguments],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        cwd=tmp_path,
        env=clean_environment(),
        timeout=LONGEST_SECONDS,
        check=False,
    )

    assert (finished.returncode, finished.stdout) == (code, b"")


@pytest.mark.parametrize("unbuffered", ["", "1"])
@pytest.mark.parametrize("name", LONG_RESULTS)
def test_a_full_disk_names_standard_output(command, clean_environment, write, bundle, name, unbuffered):
    text = write("text.txt", TEXT)
    with open("/dev/full", "wb") as full:  # noqa: PTH123
        finished = subprocess.run(
            [*command, *(part.format(bundle=bundle, text=text) for part in LONG_RESULTS[name][0])],
            stdin=subprocess.DEVNULL,
            stdout=full,
            stderr=subprocess.PIPE,
            env=clean_environment(PYTHONUNBUFFERED=unbuffered),
            timeout=LONGEST_SECONDS,
            check=False,
        )

    assert (finished.returncode, finished.stderr) == (74, b"lmctl: standard output: No space left on device\n")


def test_a_signal_ends_a_command_whose_reader_does_not_read(command, clean_environment, write, bundle):
    text = write("text.txt", TEXT)
    reader, writer = os.pipe()
    process = start(
        command, clean_environment, ["predict", "-m", str(bundle), "-f", str(text)], stdout=writer, stderr=-1
    )
    wait_until_full(writer)
    os.close(writer)
    process.send_signal(signal.SIGTERM)
    _, error = process.communicate(timeout=LONGEST_SECONDS)
    os.close(reader)

    assert (process.returncode, error) == (143, b"lmctl: terminated\n")


def test_no_file_gets_the_descriptor_of_a_closed_standard_error(command, clean_environment):
    # Libraries write their messages to descriptor 2, also if it is another file.
    code = (
        "import os, sys; from lmctl.cli.streams import take_over_streams as take; take(); print(os.open('/', 0))"
    )
    finished = subprocess.run(
        ["sh", "-c", 'exec "$@" 2>&- <&-', "sh", command[0], "-c", code],
        stdout=subprocess.PIPE,
        env=clean_environment(),
        timeout=LONGEST_SECONDS,
        check=False,
    )

    assert int(finished.stdout) > 2
