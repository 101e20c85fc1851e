"""A power cut: readers find the complete old or new model; the next run ends like a run without a power cut.

`power.py` states the model of the file system. A run is recorded once. From the recording, the tests build the
images that a power cut after each step may leave. After the end of the run, a power cut may not change its result.
"""

from __future__ import annotations

import os
import random
import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest
from power import Disk, digest_of, image_of, write_image
from recording import read_steps
from scenarios import OTHER_PUBLISHERS, SCENARIOS, answers, copy_world, left_behind, listing, make_world, outcomes

from lmctl.scratch import JOURNAL_START

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from power import Image
    from scenarios import Driver

PUBLISHERS = SCENARIOS | OTHER_PUBLISHERS
# Number of random images after each step.
RANDOM_IMAGES = 2
# Number of changes after each step that the short version tries alone.
CHANGES = 4
# Number of images of each command from which the short version starts a run.
SAMPLE = 5
# Number of parts of the long version. The steps of a command are divided among them, so that processes can share
# the work.
PARTS = 16 if os.environ.get("LMCTL_FAULTS") == "long" else 1


@dataclass(frozen=True)
class Cut:
    """An image that a power cut may leave.

    Attributes:
        step: number of the step before the cut, from 1.
        where: description of the step and of the changes that persist.
        has_ended: whether the run had ended.
        image: the disk.
    """

    step: int
    where: str
    has_ended: bool
    image: Image


@dataclass(frozen=True)
class Recorded:
    """A run, and the images that power cuts after each of its steps may leave.

    Attributes:
        old: the folder before the run.
        new: the folder after the run.
        place: the folder in which it ran. Images are tested there, because a model stores the paths of its texts.
        points: number of steps.
        cuts: the images without repetitions.
        replayed: the image after all recorded steps, from the old folder.
    """

    old: Path
    new: Path
    place: Path
    points: int
    cuts: list[Cut]
    replayed: Image


@pytest.fixture(scope="session")
def record(driver: Driver, quick_folder: Path, seed: int, many: bool) -> Callable[[str], Recorded]:
    """`record(scenario)`: the recorded run of its command. Each command runs once."""
    known: dict[str, Recorded] = {}

    def run(name: str) -> Recorded:
        if name not in known:
            scenario, folder = PUBLISHERS[name], quick_folder / "recorded" / name
            folder.mkdir(parents=True)
            make_world(folder / "place", scenario, driver)
            old = copy_world(folder / "place", folder / "old")
            ended = driver.run(folder / "place", *scenario.arguments, record=folder / "recording")
            assert ended.code == scenario.code, ended.err
            new = copy_world(folder / "place", folder / "new")
            dice = random.Random(f"{seed} {name}")  # noqa: S311
            points, cuts, replayed = _cuts(old, folder / "recording", dice, None if many else CHANGES)
            known[name] = Recorded(old, new, folder / "place", points, cuts, replayed)
        return known[name]

    return run


def _cuts(old: Path, recording: Path, dice: random.Random, changes: int | None) -> tuple[int, list[Cut], Image]:
    """The number of steps, the images that cuts may leave, and the image after all steps without a cut."""
    disk, steps = Disk(old), read_steps(recording)
    cuts, seen = list[Cut](), set[tuple[bool, int]]()
    for number, step in enumerate(steps, start=1):
        disk.do(step)
        has_ended = number == len(steps)
        for which, image in disk.images(dice, RANDOM_IMAGES, changes):
            key = (has_ended, digest_of(image))
            if key not in seen:
                seen.add(key)
                cuts.append(Cut(number, f"after step {number}, {step}: {which}", has_ended, image))
    return len(steps), cuts, disk.whole()


@pytest.mark.parametrize("part", range(PARTS))
@pytest.mark.parametrize("name", PUBLISHERS)
def test_after_a_power_cut_readers_and_the_next_run_succeed(record, driver: Driver, dice, many, name, part):
    scenario, run = PUBLISHERS[name], record(name)
    place = run.place
    old, new, paths, ends = answers(run.old), answers(run.new), listing(run.new), outcomes(run.new)
    ended = [cut for cut in run.cuts if cut.has_ended]
    if many:
        cuts = [cut for cut in run.cuts if cut.step % PARTS == part]
    else:
        cuts = [*dice.sample(run.cuts, SAMPLE), *dice.sample(ended, min(len(ended), 2))]
    print(f"{name}, part {part}: {run.points} points, {len(cuts)} of {len(run.cuts)} images")  # noqa: T201

    for cut in cuts:
        shutil.rmtree(place, ignore_errors=True)
        write_image(cut.image, place)
        found = answers(place)
        assert found in ((new,) if cut.has_ended else (old, new)), cut.where
        if cut.has_ended:
            assert outcomes(place) == ends, cut.where
        again = driver.run(place, *scenario.arguments)
        assert again.code == scenario.code, (cut.where, again.err)
        assert answers(place) == new, cut.where
        assert listing(place) == paths, cut.where
        assert left_behind(place) == [], cut.where


@pytest.mark.parametrize("name", PUBLISHERS)
def test_replaying_the_recording_gives_the_folder_after_the_run(record, name):
    run = record(name)

    assert run.replayed == image_of(run.new)


def files_in(image: Image, folder: str) -> dict[str, object]:
    """The files below a folder of an image, by their paths in it."""
    return {
        path.removeprefix(f"{folder}/"): content
        for path, content in image.items()
        if path.startswith(f"{folder}/") and content is not None
    }


# Failures that power cuts caused in earlier versions. Each promise holds in all images of a run that once broke
# it.


@pytest.mark.parametrize("name", ["mixture", "mix", "train", "import"])
def test_the_current_generation_is_complete_with_all_its_members(record, name):
    run = record(name)
    before, after = image_of(run.old), image_of(run.new)

    led = 0
    for cut in run.cuts:
        generation = cut.image.get("model/current")
        if isinstance(generation, str):
            there = files_in(cut.image, f"model/{generation}")
            assert there
            assert there in (files_in(before, f"model/{generation}"), files_in(after, f"model/{generation}")), (
                cut.where
            )
            led += 1
    assert led


@pytest.mark.parametrize("name", ["train", "publish", "mixture"])
def test_a_model_is_published_only_if_the_journal_or_the_request_says_so(record, name):
    run = record(name)
    newest = image_of(run.new)["model/current"]
    request = image_of(run.new)["model/request.json"]

    for cut in run.cuts:
        if cut.image.get("model/current") == newest:
            recorded = cut.image.get("model/request.json") == request
            assert recorded or "model/work/publishing.json" in cut.image, cut.where


def test_a_pruned_generation_is_complete_or_gone(record):
    run = record("publish")
    before = image_of(run.old)

    for cut in run.cuts:
        for number in ("000001", "000002"):
            folder = f"model/generations/{number}"
            assert files_in(cut.image, folder) in ({}, files_in(before, folder)), cut.where


def test_after_the_end_of_a_run_its_line_in_runs_jsonl_is_durable(record):
    run = record("train")
    lines = image_of(run.new)["model/runs.jsonl"]

    assert all(cut.image.get("model/runs.jsonl") == lines for cut in run.cuts if cut.has_ended)


def test_a_folder_without_generations_has_nothing_else_of_a_model(record):
    for cut in record("train").cuts:
        if "model/generations" not in cut.image:
            assert not files_in(cut.image, "model"), cut.where
            assert "model/work" not in cut.image, cut.where


@pytest.mark.parametrize(("name", "folder"), [("train", "model/work"), ("prepare", "prepared")])
def test_a_scratch_folder_is_never_without_the_journal_that_names_it(record, name, folder):
    for cut in record(name).cuts:
        scratch = next((path for path in cut.image if path.startswith(f"{folder}/.unfinished-")), None)
        if scratch is not None:
            journal = cut.image[f"{folder}/unfinished.json"]
            assert isinstance(journal, bytes), cut.where
            assert journal.startswith(JOURNAL_START), cut.where


def test_files_of_a_replaced_corpus_go_before_the_journal_that_names_them(record):
    run = record("prepare")
    old, new = image_of(run.old), image_of(run.new)

    for cut in run.cuts:
        if cut.image["prepared/corpus.json"] == new["prepared/corpus.json"]:
            stale = (set(cut.image) & set(old)) - set(new)
            assert not stale or "prepared/unfinished.json" in cut.image, (cut.where, stale)


@pytest.mark.parametrize("name", ["unfinished.json", "holder.json"])
@pytest.mark.parametrize("length", [1, 8, 200])
def test_zeros_in_the_place_of_a_note_stop_no_run(record, driver: Driver, name, length):
    run = record("count")
    place = copy_world(run.old, run.place)
    note = place / "model" / ("work" if name == "unfinished.json" else "") / name
    note.write_bytes(bytes(length))

    ended = driver.run(place, *PUBLISHERS["count"].arguments)

    assert ended.code == 0, ended.err
    assert not note.exists()
    assert answers(place) == answers(run.new)
