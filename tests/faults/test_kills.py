"""A process that is killed: readers find the old or the new, and the next run ends as if nothing had been."""

from __future__ import annotations

from typing import TYPE_CHECKING

from injection import Fault
from scenarios import SCENARIOS, answers, copy_world, left_behind, listing

if TYPE_CHECKING:
    from pathlib import Path

    from scenarios import Driver

SAMPLE = 6


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
