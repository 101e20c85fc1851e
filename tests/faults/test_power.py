"""A power cut: readers find the old or the new model, whole; the next run ends as an uninterrupted one.

`power.py` states the model of the file system. A run is recorded once, and what a cut after each of its steps may
leave is built from the recording. Once the run has ended, a cut may take nothing of what it made.
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
# Images that chance makes at each point.
RANDOM_IMAGES = 2
# Of how many changes at each point the short version tries each alone.
CHANGES = 4
# Images of each command that the short version lets a run start from.
SAMPLE = 5
# Parts of the long version, each of which has every so many steps of a command, so that processes can share them.
PARTS = 16 if os.environ.get("LMCTL_FAULTS") == "long" else 1


@dataclass(frozen=True)
class Cut:
    """What a power cut may leave.

    Attributes:
        step: the number of the step after which it is, from 1.
        where: that step, and what of the rest persists.
        has_ended: whether the run had ended.
        image: the disk.
    """

    step: int
    where: str
    has_ended: bool
    image: Image


@dataclass(frozen=True)
class Recorded:
    """A run, and what power cuts after each of its steps may leave.

    Attributes:
        old: the folder before.
        new: the folder after it.
        place: where it ran; what a model remembers of its texts are their paths.
        points: how many steps it has.
        cuts: different images alone.
        replayed: what the recorded steps make of the old folder.
    """

    old: Path
    new: Path
    place: Path
    points: int
    cuts: list[Cut]
    replayed: Image


@pytest.fixture(scope="session")
def record(driver: Driver, quick_folder: Path, seed: int, many: bool) -> Callable[[str], Recorded]:
    """`record(scenario)`: its command, run once."""
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
    """How many steps a run has, what cuts after them may leave, and what its steps leave without a cut."""
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
def test_a_power_cut_after_any_step_costs_nothing(record, driver: Driver, dice, many, name, part):
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
def test_nothing_that_a_run_does_to_its_disk_is_missing_in_the_recording(record, name):
    run = record(name)

    assert run.replayed == image_of(run.new)


def files_in(image: Image, folder: str) -> dict[str, object]:
    """The files below a folder of an image, by their paths in it."""
    return {
        path.removeprefix(f"{folder}/"): content
        for path, content in image.items()
        if path.startswith(f"{folder}/") and content is not None
    }


# What power cuts did once. Each holds in every image of a run that shows it.


@pytest.mark.parametrize("name", ["mixture", "mix", "train", "import"])
def test_what_current_leads_to_is_whole_the_members_of_a_mixture_too(record, name):
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
            remembered = cut.image.get("model/request.json") == request
            assert remembered or "model/work/publishing.json" in cut.image, cut.where


def test_an_old_generation_that_goes_is_whole_or_gone(record):
    run = record("publish")
    before = image_of(run.old)

    for cut in run.cuts:
        for number in ("000001", "000002"):
            folder = f"model/generations/{number}"
            assert files_in(cut.image, folder) in ({}, files_in(before, folder)), cut.where


def test_a_new_models_folder_and_the_line_of_its_run_are_there_once_the_run_has_ended(record):
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
