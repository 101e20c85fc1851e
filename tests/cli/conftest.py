"""Run the command as a user does, or in this process if no stream of the process matters."""

from __future__ import annotations

import contextlib
import logging
import os
import pty
import re
import subprocess
import sys
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from html_pages import Page, check_is_whole
from serving import Running
from waiting import LONGEST_SECONDS

from lmctl import cli
from lmctl.config import read_settings
from lmctl.families.cached.parameters import CacheParameters
from lmctl.jobs.mix import mix
from lmctl.jobs.train.run import train
from lmctl.store.bundle import open_bundle
from lmctl.store.writing import amend_bundle

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

COMMAND = (sys.executable, "-m", "lmctl")
CORPORA = Path(__file__).parents[2] / "corpora"


@dataclass(frozen=True)
class Finished:
    """The exit code and the output of a finished command."""

    code: int
    out: str
    err: str

    @property
    def lines(self) -> list[str]:
        return self.out.splitlines()

    @property
    def rows(self) -> list[list[str]]:
        return [line.split("\t") for line in self.lines]


def environment(**changes: str) -> dict[str, str]:
    """The environment of this process with changes, and without LMCTL_MODEL and Python's variables."""
    there = os.environ.items()
    return {name: value for name, value in there if name != "LMCTL_MODEL" and not name.startswith("PYTHON")} | {
        "COLUMNS": "80",
        **changes,
    }


def run_command(
    *arguments: str | bytes | Path,
    stdin: bytes = b"",
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
) -> Finished:
    """Run the command in a process of its own."""
    done = subprocess.run(
        [*COMMAND, *arguments],
        input=stdin,
        capture_output=True,
        cwd=cwd,
        env=environment() | dict(env or {}),
        timeout=LONGEST_SECONDS,
        check=False,
    )
    return Finished(done.returncode, done.stdout.decode("utf-8"), done.stderr.decode("utf-8"))


@pytest.fixture(scope="session")
def lmctl() -> Callable[..., Finished]:
    """`lmctl(*arguments, stdin=b"", cwd=None, env=None)`: the command in a process of its own."""
    return run_command


@pytest.fixture(scope="session")
def command() -> tuple[str, ...]:
    """The command line that starts the command."""
    return COMMAND


@pytest.fixture(scope="session")
def clean_environment() -> Callable[..., dict[str, str]]:
    """`clean_environment(**changes)`: an environment to start the command in."""
    return environment


@pytest.fixture
def call(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Finished]]:
    """`call(*arguments)`: run the command in this process, which starts thirty times faster."""
    monkeypatch.delenv("LMCTL_MODEL", raising=False)
    messages = logging.getLogger("lmctl")
    before = messages.handlers, messages.propagate, messages.level

    def run(*arguments: str | Path) -> Finished:
        capsys.readouterr()
        code = cli.run([str(argument) for argument in arguments])
        return Finished(code, *capsys.readouterr())

    yield run
    messages.handlers, messages.propagate = before[0], before[1]
    messages.setLevel(before[2])


@pytest.fixture(scope="session")
def corpora() -> Path:
    """The texts that come with lmctl."""
    return CORPORA


@pytest.fixture(scope="session")
def bundle(make_bundle: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model of `the cat sat on mat dog .` with random weights. No test writes into it."""
    return make_bundle(tmp_path_factory.mktemp("random") / "bundle")


@pytest.fixture
def workplace(tmp_path: Path, bundle: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a text and a model in it, to work in."""
    (tmp_path / "good.txt").write_bytes(b"the cat sat\nthe dog sat\n")
    (tmp_path / "bundle").symlink_to(bundle)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture(scope="session")
def uniform(make_bundle: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model of the same words that gives each of its nine tokens the probability 1/9."""
    return make_bundle(tmp_path_factory.mktemp("uniform") / "bundle", scale=0.0)


@pytest.fixture(scope="session")
def cached(make_bundle: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The model of `bundle`, with a cache of weight 1/2."""
    folder = make_bundle(tmp_path_factory.mktemp("cached") / "bundle")
    amend_bundle(open_bundle(folder), cache=CacheParameters(weight=0.5, theta=1.0))
    return folder


@pytest.fixture(scope="session")
def counted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model of two generations, n-grams of one text: bigrams, and trigrams, which are current."""
    folder = tmp_path_factory.mktemp("counted")
    (folder / "text.txt").write_text("the cat sat on the mat .\nthe dog sat on the cat .\n")
    for order in (2, 3):
        asked = ("preset=ngram", f"model.order={order}", "validation.fraction=0", "publishing.gate=false")
        train([str(folder / "text.txt")], folder / "model", read_settings(assignments=asked))
    return folder / "model"


@pytest.fixture(scope="session")
def mixture(counted: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The mixture of both generations of `counted`."""
    folder = tmp_path_factory.mktemp("mixture")
    (folder / "valid.txt").write_text("sat on the dog sat on the mat\n")
    mix([f"{counted}@1", f"{counted}@2"], folder / "model", str(folder / "valid.txt"))
    return folder / "model"


@pytest.fixture(scope="session")
def on_terminal() -> Callable[..., tuple[int, str]]:
    """`on_terminal(*arguments, columns=80)`: the exit code, and the output of the command on a terminal."""

    def run(*arguments: str | Path, columns: int = 80) -> tuple[int, str]:
        screen, terminal = pty.openpty()
        process = subprocess.Popen(
            [*COMMAND, *map(str, arguments)],
            stdin=subprocess.DEVNULL,
            stdout=terminal,
            stderr=terminal,
            env=environment(TERM="xterm", COLUMNS=str(columns), NO_COLOR="1"),
        )
        os.close(terminal)
        shown = b""
        try:
            while piece := os.read(screen, 4096):
                shown += piece
        except OSError:  # Linux reports EIO when the other side is closed
            pass
        os.close(screen)
        text = re.sub(r"\x1b\[[?0-9;]*[A-Za-z]", "", shown.decode()).replace("\r\n", "\n")
        return process.wait(LONGEST_SECONDS), text

    return run


@pytest.fixture
def converse(
    command: tuple[str, ...], clean_environment: Callable[..., dict[str, str]]
) -> Callable[..., list[list[str]]]:
    """`converse(*arguments, lines)`: send each line after the answer to the one before, and return the answers.

    `lines` are pairs of a line and the number of lines in its answer. The command has to end with code 0.
    """

    def run(*arguments: str | Path, lines: Sequence[tuple[str, int]]) -> list[list[str]]:
        with subprocess.Popen(
            [*command, *map(str, arguments)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            bufsize=1,
            env=clean_environment(),
        ) as process:
            assert process.stdin is not None
            assert process.stdout is not None
            # A command that does not answer is killed, and then its answer is empty.
            limit = threading.Timer(LONGEST_SECONDS, process.kill)
            limit.start()
            answers = []
            for line, count in lines:
                process.stdin.write(f"{line}\n")
                answers.append([process.stdout.readline().rstrip("\n") for _ in range(count)])
            process.stdin.close()
            assert process.wait() == 0
            limit.cancel()
        return answers

    return run


@pytest.fixture
def start(
    command: tuple[str, ...], clean_environment: Callable[..., dict[str, str]]
) -> Iterator[Callable[..., Running]]:
    """`start(*arguments)`: a running `lmctl serve` on any free port; it is killed at the end of the test."""
    with contextlib.ExitStack() as stack:

        def run(*arguments: object) -> Running:
            patient = ("--most-seconds", str(LONGEST_SECONDS))
            process = stack.enter_context(
                subprocess.Popen(
                    [*command, "serve", "--port", "0", *patient, *map(str, arguments)],
                    stdout=subprocess.PIPE,
                    stderr=subprocess.PIPE,
                    text=True,
                    env=clean_environment(),
                )
            )
            stack.callback(process.kill)
            return Running(process)

        yield run


@pytest.fixture
def write(tmp_path: Path) -> Callable[[str, bytes], Path]:
    """`write(name, content)`: a file below the test's folder."""

    def write_file(name: str, content: bytes) -> Path:
        path = tmp_path / name
        path.write_bytes(content)
        return path

    return write_file


@pytest.fixture
def read_report(call: Callable[..., Finished], tmp_path: Path) -> Callable[..., Page]:
    """`read_report(*arguments)`: the page that the command wrote."""

    def read(*arguments: object) -> Page:
        done = call(*arguments, "-o" if arguments[0] == "report" else "--report", tmp_path / "page.html")
        assert done.code == 0, done.err
        page = Page((tmp_path / "page.html").read_bytes())
        check_is_whole(page)
        return page

    return read
