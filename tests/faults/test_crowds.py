"""Many processes at once: one run per model and per corpus; readers see only complete models."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from late_publishing import publishing_after
from scenarios import COMMAND, clean_environment
from waiting import LONGEST_SECONDS, wait_until

from lmctl import load
from lmctl.corpus.prepared import PreparedCorpus
from lmctl.store.generations import ModelFolder

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

TRAININGS, READERS, PREPARATIONS = 8, 4, 6

# It reads until a file appears, then prints the number of readings and the different answers.
MODEL_READER = """
import json, pathlib, sys
from lmctl import load
seen, reads = set(), 0
while not reads or not pathlib.Path(sys.argv[2]).exists():
    seen.add(json.dumps([(each.word, each.logprob) for each in load(sys.argv[1]).predict("the cat", k=3)]))
    reads += 1
print(json.dumps([reads, sorted(seen)]))
"""
CORPUS_READER = """
import json, pathlib, sys
from lmctl.corpus.prepared import PreparedCorpus
seen, reads = set(), 0
while not reads or not pathlib.Path(sys.argv[2]).exists():
    corpus = PreparedCorpus.open(pathlib.Path(sys.argv[1]))
    seen.add(f"{len(corpus.vocabulary)} {corpus.train.sum()}")
    reads += 1
print(json.dumps([reads, sorted(seen)]))
"""


def start(*arguments: str | Path, cwd: Path | None = None) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [*map(str, arguments)],
        cwd=cwd,
        env=clean_environment(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def what_they_saw(readers: list[subprocess.Popen[str]]) -> tuple[int, set[str]]:
    """The number of all readings, and all different answers."""
    reads, seen = 0, set()
    said = [(*reader.communicate(timeout=LONGEST_SECONDS), reader.returncode) for reader in readers]
    for out, err, code in said:
        assert (code, err) == (0, "")
        count, what = json.loads(out)
        reads += count
        seen |= set(what)
    return reads, seen


@pytest.mark.long
def test_of_many_trainings_of_one_model_one_trains(tmp_path, corpora):
    text = shutil.copy(corpora / "en.txt", tmp_path)
    options = ("--embedding-dim", "16", "--hidden-units", "16", "--set", "training.steps=60", "--no-gate")
    # The one that trains ends last, whenever the others begin.
    permission = tmp_path / "the others have ended"
    command = (sys.executable, "-c", publishing_after(permission), "train", text, "-o", "model", *options)
    trainings = [start(*command, cwd=tmp_path) for _ in range(TRAININGS)]
    wait_until(lambda: sum(training.poll() is not None for training in trainings) >= TRAININGS - 1)
    permission.touch()

    ended = [(*training.communicate(timeout=LONGEST_SECONDS), training.returncode) for training in trainings]

    assert sorted(code for _, _, code in ended) == [0] + [75] * (TRAININGS - 1), ended
    for out, err, code in ended:
        if code == 75:
            assert out == ""
            assert err.startswith("lmctl: model: another run holds its lock (process ")
            assert err.count("\n") == 1
    assert ModelFolder(tmp_path / "model").numbers() == [1]
    assert len((tmp_path / "model/runs.jsonl").read_bytes().splitlines()) == 1


def answer(bundle: Path) -> str:
    return json.dumps([(each.word, each.logprob) for each in load(bundle).predict("the cat", k=3)])


def test_readers_see_whole_bundles_while_others_are_published(
    make_bundle: Callable[..., Path], tmp_path: Path, many
):
    bundles = [make_bundle(tmp_path / f"bundle-{seed}", seed=seed) for seed in (1, 2)]
    answers = {answer(bundle) for bundle in bundles}
    model = ModelFolder.create(tmp_path / "model")
    stop = tmp_path / "stop"

    def publish(number: int) -> None:
        shutil.copytree(bundles[number % 2], model.work / "finished")
        model.publish(model.work / "finished", keep=1 + number % 2)

    publish(0)
    readers = [start(sys.executable, "-c", MODEL_READER, model.folder, stop) for _ in range(READERS)]
    publications = 400 if many else 50
    for number in range(1, publications):
        publish(number)
    stop.touch()
    reads, seen = what_they_saw(readers)

    assert model.current().name == f"{publications:06d}"
    assert len(answers) == 2
    assert seen <= answers
    assert reads >= READERS


@pytest.mark.parametrize("prepared_before", [False, True])
def test_of_many_preparations_in_one_folder_each_is_whole_or_refused(tmp_path, prepared_before, many):
    texts = []
    for number in range(PREPARATIONS):
        (tmp_path / f"{number}.txt").write_text(f"the cat {number} sat on the mat .\n" * (50 + number))
        texts.append(f"{number}.txt")
    folder, stop = tmp_path / "prepared", tmp_path / "stop"
    readers = []
    if prepared_before:
        first = start(*COMMAND, "prepare", texts[0], "-o", "prepared", "-q", cwd=tmp_path)
        first.communicate(timeout=LONGEST_SECONDS)
        assert first.returncode == 0
        readers = [start(sys.executable, "-c", CORPUS_READER, folder, stop) for _ in range(READERS)]

    for _ in range(10 if many else 1):
        preparations = [start(*COMMAND, "prepare", text, "-o", "prepared", "-q", cwd=tmp_path) for text in texts]
        ended = [
            (*preparation.communicate(timeout=LONGEST_SECONDS), preparation.returncode)
            for preparation in preparations
        ]

        codes = [code for _, _, code in ended]
        assert 0 in codes
        assert set(codes) <= {0, 75}, ended
        assert len(PreparedCorpus.open(folder).vocabulary) == 9
        assert {path.name.partition(".")[0] for path in folder.iterdir()} == {
            *("corpus", "train", "valid", "vocabulary", "characters", "lock"),
        }
    stop.touch()
    what_they_saw(readers)
