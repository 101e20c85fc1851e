"""A killed process: readers find the old or the new model; the next run ends like a run without a kill."""

from __future__ import annotations

import shutil
import subprocess
import time
from typing import TYPE_CHECKING

import pytest
from injection import Fault
from scenarios import (
    COMMAND,
    SCENARIOS,
    Driver,
    answers,
    clean_environment,
    copy_world,
    killed_run,
    left_behind,
    listing,
)
from waiting import LONGEST_SECONDS

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SAMPLE = 6

# The training is long enough to be killed in every part of it, and saves checkpoints all the time.
TRAIN = (
    *("train", "en.txt", "-o", "model", "--embedding-dim", "16", "--hidden-units", "16", "--epochs", "12"),
    *("--set", "training.patience=100", "--set", "publishing.checkpoint_every=0.1s", "--no-gate"),
)
FIRST = ("train", "en.txt", "-o", "model", "--embedding-dim", "8", "--hidden-units", "8", "--epochs", "1")


def test_a_kill_at_any_operation_on_disk_costs_nothing(driver: Driver, world: Path, place: Path, dice, many):
    scenario = SCENARIOS[world.name]
    undisturbed = driver.run(copy_world(world, place), *scenario.arguments, fault=Fault(str(place)))
    assert undisturbed.code == scenario.code, undisturbed.err
    old, new, paths = answers(world), answers(place), listing(place)
    count = len(undisturbed.operations)
    instants = range(count) if many else sorted(dice.sample(range(count), min(count, SAMPLE)))

    for at in instants:
        killed = driver.run(copy_world(world, place), *scenario.arguments, fault=Fault(str(place), at=at))
        where = f"killed at operation {at}: {undisturbed.operations[at]}"
        assert killed.code == -9, where
        assert answers(place) in (old, new), where
        again = driver.run(place, *scenario.arguments)
        assert again.code == scenario.code, (where, again.err)
        assert answers(place) == new, where
        assert listing(place) == paths, where
        assert left_behind(place) == [], where


@pytest.fixture(scope="module")
def trainer() -> Iterator[Driver]:
    """Runs the command with TensorFlow."""
    started = Driver("tensorflow")
    yield started
    started.close()


@pytest.mark.slow
@pytest.mark.long
def test_a_training_killed_at_random_instants_ends_as_one_that_was_not(trainer, corpora, tmp_path, dice):
    before, place = tmp_path / "before", tmp_path / "place"
    before.mkdir()
    shutil.copy(corpora / "en.txt", before)
    assert trainer.run(before, *FIRST).code == 0
    old = answers(before)
    undisturbed = trainer.run(copy_world(before, place), *TRAIN)
    assert undisturbed.code == 0, undisturbed.err
    new, paths = answers(place), listing(place)

    kills, seconds = 0, undisturbed.seconds
    while kills < 100:
        copy_world(before, place)
        # The run is killed once, or several times before it publishes one model.
        for instant in [dice.uniform(0, 0.9 * seconds) for _ in range(dice.choice([1, 1, 2, 3]))]:
            where = f"{kills}: killed after {instant} of {seconds} seconds"
            killed = trainer.run(place, *TRAIN, kill_after=instant)
            assert killed.code in (-9, 0), (where, killed.err)
            if killed.code == -9:
                kills += 1
            else:
                # The machine may have been busy during the first run.
                seconds = min(seconds, killed.seconds)
            assert answers(place) in (old, new), where
        again = trainer.run(place, *TRAIN)
        assert again.code == 0, (where, again.err)
        assert answers(place) == new, where
        assert listing(place) == paths, where
        assert left_behind(place) == [], where


@pytest.mark.long
@pytest.mark.slow
def test_a_preparation_by_several_processes_killed_at_random_instants_leaves_nothing(tmp_path, dice):
    text = tmp_path / "text.txt"
    with text.open("w") as file:
        for number in range(250_000):
            file.write(f"the cat {number % 5000} sat on the mat number {number * number % 7919} .\n")
    command = [*COMMAND, "prepare", "text.txt", "-o", "prepared", "--jobs", "2", "-q"]

    def prepare(kill_after: float | None = None) -> float:
        began = time.monotonic()
        process = subprocess.Popen(command, cwd=tmp_path, env=clean_environment(), stdout=subprocess.DEVNULL)
        if kill_after is not None:
            killed_run(process, kill_after)
        else:
            assert process.wait(LONGEST_SECONDS) == 0
        return time.monotonic() - began

    seconds = prepare()
    new, paths = answers(tmp_path), listing(tmp_path)
    shutil.rmtree(tmp_path / "prepared")

    for _ in range(25):
        instant = dice.uniform(0, seconds)
        prepare(instant)
        assert answers(tmp_path) in ({}, new), instant
    prepare()
    assert answers(tmp_path) == new
    assert listing(tmp_path) == paths
