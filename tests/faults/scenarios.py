"""Commands that write, each with the folder that it starts in (its world), and checks of the world afterwards."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lmctl import load
from lmctl.corpus.prepared import CORPUS_FILE, PreparedCorpus
from lmctl.query.model import verify_model
from lmctl.store.generations import ModelFolder

if TYPE_CHECKING:
    from injection import Fault

HERE = Path(__file__).parent
COMMAND = (sys.executable, "-m", "lmctl")
# One word occurs once, so that <unk> occurs in training, and nothing is to be warned of.
TEXT = "the cat sat on the mat .\nthe dog sat on the rug .\na bird sang\n" * 20 + "a zebra sang\n"
OTHER_TEXT = TEXT + "a mouse ran\n" * 5
VALID = "the cat sat .\n" * 3

WORDS = ("--min-count", "2", "--valid", "valid.txt")
TINY = ("--embedding-dim", "4", "--hidden-units", "4", "--set", "model.layers=1", *WORDS)
# Without n-grams, because writing their tables needs most of the operations. Scenarios "mixture" and "count" have
# them.
NETWORK = (*TINY, "--set", "training.baseline=false")
BIGRAMS = ("--set", "model.order=2")
TRAIN = ("train", "text.txt", "-o", "model", *NETWORK)
MIX = ("train", "text.txt", "-o", "model", *TINY, "--set", "training.with_ngram=true")
COUNT = ("train", "text.txt", "-o", "model", *WORDS, *BIGRAMS, "--set", "model.family=ngram")
EXPORT = ("export", "model", "--to", "arpa", "-o", "exported.arpa")
PREPARE = ("prepare", "text.txt", "-o", "prepared", *WORDS)
# The weights are multiplied by ten, so that the gate refuses the model.
WORSE = (
    "--set",
    "training.init_scale=50",
    "--set",
    "publishing.gate_tolerance=0",
)


def clean_environment() -> dict[str, str]:
    """The environment of this process without LMCTL_MODEL."""
    return {name: value for name, value in os.environ.items() if name != "LMCTL_MODEL"}


@dataclass(frozen=True)
class Ended:
    """The end of a run. A negative code is the signal that ended it."""

    code: int
    out: str
    err: str
    operations: list[str]
    seconds: float


class Driver:
    """A process that runs the command line many times: see driver.py.

    Args:
        kind: "rehearsal": training is simulated; "tensorflow": training is real.
    """

    def __init__(self, kind: str) -> None:
        self._process = subprocess.Popen(
            [sys.executable, HERE / "driver.py", kind],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._process.stdout is not None
        assert self._process.stdout.readline() == "ready\n"

    def run(
        self,
        folder: Path,
        *arguments: str,
        fault: Fault | None = None,
        kill_after: float | None = None,
        record: Path | None = None,
    ) -> Ended:
        """Run the command line in a folder, with a fault, with a kill after some seconds, or recorded."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        order = {
            "folder": str(folder),
            "arguments": arguments,
            "fault": fault and asdict(fault),
            "kill_after": kill_after,
            "record": None if record is None else str(record),
        }
        self._process.stdin.write(json.dumps(order) + "\n")
        self._process.stdin.flush()
        return Ended(**json.loads(self._process.stdout.readline()))

    def close(self) -> None:
        """End the process."""
        self._process.communicate()


@dataclass(frozen=True)
class Scenario:
    """A command, and the world that it starts in.

    Attributes:
        before: commands that make this world.
        arguments: the command. A second run changes nothing.
        code: its exit code without a fault.
        text: the corpus in the world.
    """

    before: tuple[tuple[str, ...], ...]
    arguments: tuple[str, ...]
    code: int = 0
    text: str = OTHER_TEXT


SCENARIOS = {
    "prepare": Scenario((PREPARE,), PREPARE),
    "train": Scenario((), (*TRAIN, "--no-gate")),
    "publish": Scenario(
        (TRAIN, (*TRAIN, "--force", "--no-gate")), (*TRAIN, "--no-gate", "--set", "publishing.keep=1")
    ),
    "mixture": Scenario((MIX,), (*MIX, "--no-gate")),
    "count": Scenario((COUNT,), (*COUNT, "--no-gate")),
    "refused": Scenario((TRAIN,), (*TRAIN, *WORSE), code=3),
    "rollback": Scenario((TRAIN, (*TRAIN, "--seed", "2", "--no-gate")), ("rollback", "model", "--to", "1")),
    "metrics": Scenario((TRAIN,), ("eval", "-m", "model", "text.txt", "-o", "metrics.json")),
    "export": Scenario((COUNT,), EXPORT),
    # An older file has other words.
    "export again": Scenario((COUNT, (*EXPORT, "--unknown", "<UNK>")), EXPORT),
}

# Commands that publish without training. The bytes of their models follow from their input.
OTHER_PUBLISHERS = {
    "mix": Scenario(
        (
            PREPARE,
            ("train", "prepared", "-o", "one", "--set", "model.family=ngram", "--set", "model.order=1"),
            ("train", "prepared", "-o", "two", "--set", "model.family=ngram", "--set", "model.order=2"),
            ("mix", "one", "one", "-o", "model", "--valid", "valid.txt"),
        ),
        ("mix", "one", "two", "-o", "model", "--valid", "text.txt"),
    ),
    "import": Scenario(
        ((*COUNT[:3], "counted", *COUNT[4:]), ("export", "counted", "--to", "arpa", "-o", "counted.arpa")),
        ("import", "counted.arpa", "-o", "model"),
    ),
}


def make_world(place: Path, scenario: Scenario, driver: Driver) -> None:
    """Make the world that a command starts in."""
    place.mkdir()
    (place / "text.txt").write_text(TEXT)
    (place / "valid.txt").write_text(VALID)
    for arguments in scenario.before:
        ended = driver.run(place, *arguments)
        assert ended.code == 0, ended.err
    (place / "text.txt").write_text(scenario.text)


def copy_world(world: Path, place: Path) -> Path:
    """Copy a world, links included, and replace the world that is at the target."""
    shutil.rmtree(place, ignore_errors=True)
    return Path(shutil.copytree(world, place, symlinks=True))


def killed_run(process: subprocess.Popen[bytes], seconds: float) -> None:
    """Kill a process after some seconds, if it has not ended by then."""
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def answers(place: Path) -> dict[str, Any]:
    """Everything that a reader finds in a world, opened and checked as readers do, without times."""
    found: dict[str, Any] = {}
    current = ModelFolder(place / "model").current()
    if current is not None:
        verify_model(current)
        # The history has times, and model.json has its hash.
        found["model"] = {
            str(path.relative_to(current)): path.read_bytes()
            for path in sorted(current.rglob("*"))
            if path.is_file() and path.name not in ("history.jsonl", "model.json")
        }
        found["predictions"] = load(place / "model").predict("the cat", k=3)
    if (place / "prepared" / CORPUS_FILE).exists():
        corpus = PreparedCorpus.open(place / "prepared")
        found["prepared"] = (corpus.record.files, corpus.train.tobytes(), corpus.valid.tobytes())
    if (place / "metrics.json").exists():
        found["metrics"] = json.loads((place / "metrics.json").read_bytes())
    if (place / "exported.arpa").exists():
        found["exported"] = (place / "exported.arpa").read_bytes()
    return found


def listing(place: Path) -> list[str]:
    """Every path in a world, except the work folder of the model and unfinished files of `-o`."""
    paths = sorted(str(path.relative_to(place)) for path in place.rglob("*"))
    return [path for path in paths if not path.startswith(("model/work/", ".metrics.json.", ".exported.arpa."))]


def outcomes(place: Path) -> list[str]:
    """The outcomes of the model's runs in runs.jsonl."""
    path = place / "model/runs.jsonl"
    return [json.loads(line)["outcome"] for line in path.read_bytes().splitlines()] if path.exists() else []


def left_behind(place: Path) -> list[str]:
    """The files in the work folder of a model that the next run cannot use."""
    kept = {"checkpoint", "begun.json", "rejected", "rejected.json"}
    return sorted(path.name for path in (place / "model/work").glob("*") if path.name not in kept)
