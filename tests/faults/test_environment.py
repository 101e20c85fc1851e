"""The environment of cron, and stranger environments: training and predicting work in all of them."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest
from scenarios import COMMAND, clean_environment
from waiting import LONGEST_SECONDS

# Without n-grams: they are better than so small a network, and would be published instead.
# The long version trains a network; the short one estimates n-grams.
IS_LONG = os.environ.get("LMCTL_FAULTS") == "long"
NETWORK = ("--embedding-dim", "8", "--hidden-units", "8", "--epochs", "1", "--set", "training.with_ngram=false")
SETTINGS = NETWORK if IS_LONG else ("--preset", "ngram")
# Nobody can write there, not even the superuser.
NOWHERE = "/proc"

# Changes of the environment (None: the variable is not set), and the way in which a shell starts the command.
SURROUNDINGS: dict[str, tuple[dict[str, str | None], str]] = {
    "another time zone": ({"TZ": "Pacific/Kiritimati"}, ""),
    "a time zone that is none": ({"TZ": "Nowhere/Nothing"}, ""),
    "no home": ({"HOME": None}, ""),
    "a home that cannot be written to": ({"HOME": NOWHERE, "XDG_CACHE_HOME": NOWHERE}, ""),
    "a home that is not there": ({"HOME": "/nonexistent"}, ""),
    "the locale C": ({"LANG": "C", "LC_ALL": "C", "LC_CTYPE": None}, ""),
    "the locale POSIX, not coerced": ({"LC_ALL": "POSIX", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"}, ""),
    "a temporary folder that is not there": ({"TMPDIR": "/nonexistent"}, ""),
    "a temporary folder that cannot be written to": ({"TMPDIR": NOWHERE}, ""),
    "standard input closed": ({}, "exec <&-"),
    "standard error closed": ({}, "exec 2>&-"),
    "a strict umask": ({}, "umask 077"),
    "a folder that cannot be written to": ({}, f"cd {NOWHERE}"),
    "almost nothing set, as cron has it": (dict.fromkeys(os.environ) | {"PATH": "/usr/bin:/bin"}, ""),
}
WORST: tuple[dict[str, str | None], str] = (
    dict.fromkeys(os.environ)
    | {"TZ": "Nowhere/Nothing", "LC_ALL": "POSIX", "TMPDIR": "/nonexistent", "PATH": "/usr/bin:/bin"},
    f"umask 077; cd {NOWHERE}; exec <&- 2>&-",
)


def run_in(surroundings: tuple[dict[str, str | None], str], *command: str | Path) -> tuple[int, str, str]:
    """Run a command in an environment; return its exit code and its output."""
    changes, shell = surroundings
    environment = clean_environment() | changes
    done = subprocess.run(
        ["/bin/sh", "-c", f'{shell or ":"}; exec "$@"', "sh", *map(str, command)],
        env={name: value for name, value in environment.items() if value is not None},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=LONGEST_SECONDS,
        check=False,
    )
    return done.returncode, done.stdout.decode(), done.stderr.decode()


@pytest.fixture(scope="module")
def text(corpora: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Chinese text. No ASCII locale has its characters."""
    return Path(shutil.copy(corpora / "zh.txt", tmp_path_factory.mktemp("text")))


@pytest.fixture(scope="module")
def as_always(text: Path) -> tuple[bytes, str]:
    """The weights of a training, and an answer, in the usual environment."""
    return train_and_ask(({}, ""), text, text.parent / "as-always")


def train_and_ask(surroundings: tuple[dict[str, str | None], str], text: Path, model: Path) -> tuple[bytes, str]:
    """Train a model and query it, both in an environment; return its weights and the answer."""
    code, out, err = run_in(surroundings, *COMMAND, "train", text, "-o", model, *SETTINGS)
    assert (code, out) == (0, f"{model}/generations/000001\n"), err
    assert "Traceback" not in err
    assert len(err.splitlines()) <= 1, err
    code, out, err = run_in(surroundings, *COMMAND, "predict", "-m", model, "-k", "3", "今天天气")
    assert (code, err) == (0, "")
    return weights_of(model / "current"), out


def weights_of(generation):
    """The bytes of a network's weights (also of a member of a mixture), or of the tables of n-grams."""
    kind = "weights.safetensors" if IS_LONG else "*.npy"
    return b"".join(path.read_bytes() for path in sorted(generation.resolve().rglob(kind)))


@pytest.mark.parametrize("name", ["the worst", *SURROUNDINGS])
def test_training_and_predicting_do_as_always(as_always, text, tmp_path, name, many):
    if not many and name != "the worst":
        pytest.skip("in the long version")
    surroundings = SURROUNDINGS.get(name, WORST)

    assert as_always[0]
    assert train_and_ask(surroundings, text, tmp_path / "model") == as_always


# The command with a clock that is 4,000 days late.
LONG_AGO = """
import datetime, time
class Back(datetime.datetime):
    @classmethod
    def now(cls, tz=None):
        return super().now(tz) - datetime.timedelta(days=4000)
now = time.time
datetime.datetime, time.time = Back, lambda: now() - 4000 * 86400
from lmctl.cli import main
main()
"""


def test_a_clock_that_is_set_back_changes_nothing(as_always, text, tmp_path, many):
    if not many:
        pytest.skip("in the long version")
    model, copy = tmp_path / "model", tmp_path / "text.txt"
    copy.write_bytes(text.read_bytes())
    tomorrow = time.time() + 86400
    os.utime(copy, (tomorrow, tomorrow))
    command = ("train", copy, "-o", model, *SETTINGS)

    runs = [run_in(({}, ""), *COMMAND, *command)]
    runs += [run_in(({}, ""), sys.executable, "-c", LONG_AGO, *command, *more) for more in ((), ("--force",))]
    runs += [run_in(({}, ""), *COMMAND, *command)]

    assert [code for code, _, _ in runs] == [0, 0, 0, 0], runs
    assert [out.rpartition("/")[2].strip() for _, out, _ in runs] == ["000001", "000001", "000002", "000002"]
    for generation in ("000001", "000002"):
        assert weights_of(model / "generations" / generation) == as_always[0]
    lines = [json.loads(line) for line in (model / "runs.jsonl").read_bytes().splitlines()]
    assert [line["outcome"] for line in lines] == ["published", "unchanged", "published", "unchanged"]
    assert lines[2]["start"] < lines[0]["start"]


def test_a_temporary_folder_that_is_full_is_not_needed(as_always, text, tmp_path, many):
    if not many:
        pytest.skip("in the long version")
    full = tmp_path / "full"
    full.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=4k", "lmctl", str(full)]
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("no file system may be mounted here")
    try:
        (full / "ballast").write_bytes(bytes(4096))
        surroundings = ({"TMPDIR": str(full)}, "")
        assert train_and_ask(surroundings, text, tmp_path / "model") == as_always
        assert [path.name for path in full.iterdir()] == ["ballast"]
    finally:
        subprocess.run(["umount", str(full)], check=True)
