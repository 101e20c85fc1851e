"""`lmctl train`, killed without warning: the model always answers, and the next run ends as an undisturbed one."""

from __future__ import annotations

import random
import shutil
import subprocess

import pytest

import lmctl as library

KILLS = 5
# Long enough to be killed in every part of a run: about as long in training as in starting.
SETTINGS = (
    *("--embedding-dim", "32", "--hidden-units", "32", "--epochs", "40"),
    *("--set", "training.patience=100", "--set", "publishing.checkpoint_every=0.2s", "--no-gate"),
)


@pytest.mark.slow
def test_a_run_killed_at_random_instants_ends_as_one_that_was_not(
    lmctl, command, clean_environment, corpora, tmp_path
):
    text = shutil.copy(corpora / "en.txt", tmp_path)
    first = lmctl("train", text, "-o", "model", "--epochs", "1", cwd=tmp_path)
    assert first.code == 0, first.err
    before = library.load(tmp_path / "model").predict("the cat", k=3)
    undisturbed = lmctl("train", text, "-o", "undisturbed", *SETTINGS, cwd=tmp_path)
    assert undisturbed.code == 0, undisturbed.err

    instants = random.Random(7)  # noqa: S311
    for _ in range(KILLS):
        run = subprocess.Popen(
            [*command, "train", text, "-o", "model", *SETTINGS],
            cwd=tmp_path,
            env=clean_environment(),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            run.wait(instants.uniform(0.0, 6.0))
        except subprocess.TimeoutExpired:
            run.kill()
            run.wait()
        answers = library.load(tmp_path / "model").predict("the cat", k=3)
        assert answers == before or (tmp_path / "model/current").readlink().name != "000001"

    last = lmctl("train", text, "-o", "model", *SETTINGS, cwd=tmp_path)

    assert last.code == 0, last.err
    published = tmp_path / last.out.strip()
    expected = tmp_path / undisturbed.out.strip()
    for name in ("weights.safetensors", "vocabulary.tsv", "config.yaml", "metrics.json"):
        assert (published / name).read_bytes() == (expected / name).read_bytes()
    assert {path.name for path in (tmp_path / "model").iterdir()} <= {
        *("current", "generations", "lock", "request.json", "runs.jsonl", "work"),
    }
    assert list((tmp_path / "model/work").iterdir()) == []
