"""A failing disk: exit 74 and a line that names a file. The current model answers, and the next run succeeds."""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest
from injection import ERRORS, Fault
from scenarios import SCENARIOS, answers, copy_world, listing, make_world

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from scenarios import Driver, Ended

SAMPLE = 4


# Errors of these calls do not have to stop a run: it need not remove old files, nor make folders that exist
# already. If the file of the lock exists and cannot be made, filelock opens the existing file.
DISPENSABLE = ("unlink", "rmdir", "mkdir", "rename model/work/pruned-")


def assert_failed(ended: Ended, undisturbed: Ended, fault: Fault, operation: str) -> None:
    """The run names the file and the error in one line; or it did its work, and warns of the error."""
    where = (fault, operation, ended.err)
    lines = ended.err.replace(undisturbed.err, "").splitlines()
    warnings = [line for line in lines if line.startswith("lmctl: warning: ")]
    if ended.code == undisturbed.code:
        assert lines == warnings, where
        assert warnings or operation.startswith(DISPENSABLE) or operation.endswith("model/lock"), where
    else:
        assert ended.code == 74, where
        # The last line explains the exit code. Before it, there may be warnings of a disk that keeps failing.
        assert lines[:-1] == (warnings if fault.lasting else []), where
        assert lines[-1].startswith("lmctl: "), where
        assert lines[-1].endswith(f": {os.strerror(getattr(errno, fault.kind))}"), where
        assert lines[-1].count(": ") >= 2, where


@pytest.mark.parametrize("lasting", [False, True], ids=["once", "from then on"])
def test_a_disk_that_fails_at_any_operation_costs_nothing_but_the_run(
    driver: Driver, world: Path, place: Path, dice, many, lasting
):
    scenario = SCENARIOS[world.name]
    undisturbed = driver.run(copy_world(world, place), *scenario.arguments, fault=Fault(str(place)))
    assert undisturbed.code == scenario.code, undisturbed.err
    old, new, paths = answers(world), answers(place), listing(place)
    count = len(undisturbed.operations)
    instants = range(count) if many else sorted(dice.sample(range(count), min(count, SAMPLE)))

    for at in instants:
        kind = "ENOSPC" if lasting else dice.choice(ERRORS)
        operation = undisturbed.operations[at]
        where = f"{kind} at operation {at}: {operation}"
        fault = Fault(str(place), kind, at, lasting)
        failed = driver.run(copy_world(world, place), *scenario.arguments, fault=fault)
        assert_failed(failed, undisturbed, fault, operation)
        assert answers(place) in (old, new), where
        again = driver.run(place, *scenario.arguments)
        assert again.code == scenario.code, (where, again.err)
        assert answers(place) == new, where
        if "could not be removed" not in failed.err:
            assert listing(place) == paths, where


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Callable[[str], Path]]:
    """`small_disk(size)`: a folder on a new file system in memory; the test is skipped if none can be mounted."""
    mounted = []

    def mount(size: str) -> Path:
        folder = tmp_path / f"disk-{len(mounted)}"
        folder.mkdir()
        done = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", f"size={size}", "lmctl", str(folder)], capture_output=True, check=False
        )
        if done.returncode:
            pytest.skip("no file system may be mounted here")
        mounted.append(folder)
        return folder

    yield mount
    for folder in mounted:
        subprocess.run(["umount", str(folder)], check=True)


@pytest.mark.parametrize("name", ["prepare", "publish"])
def test_a_disk_that_is_really_full_is_named_and_costs_nothing(
    driver: Driver, small_disk, tmp_path, dice, many, name
):
    scenario = SCENARIOS[name]
    disk = small_disk("600k")
    place = disk / "place"
    make_world(place, scenario, driver)
    world = copy_world(place, tmp_path / "world")
    old = answers(place)
    undisturbed = driver.run(place, *scenario.arguments)
    assert undisturbed.code == 0, undisturbed.err
    new = answers(place)
    room = shutil.disk_usage(disk).free + sum(path.lstat().st_size for path in place.rglob("*"))

    failures = 0
    for number in range(100 if many else 8):
        ballast = disk / "ballast"
        ballast.unlink(missing_ok=True)
        copy_world(world, place)
        # From no block up to the number of blocks that the run needs.
        left = number * (room // 4096) // (400 if many else 32) * 4096
        ballast.write_bytes(bytes(max(0, shutil.disk_usage(disk).free - left)))
        ended = driver.run(place, *scenario.arguments)
        where = (left, ended.code, ended.err)
        assert ended.code in (0, 74), where
        assert answers(place) == (old if ended.code else new), where
        if ended.code:
            failures += 1
            assert ended.err.splitlines()[-1].startswith("lmctl: "), where
            assert "o space left" in ended.err or "free" in ended.err, where
            assert len([line for line in ended.err.splitlines() if "warning" not in line]) == 1, where
        ballast.unlink()
        again = driver.run(place, *scenario.arguments)
        assert again.code == 0, (where, again.err)
        assert answers(place) == new, where
    assert failures
