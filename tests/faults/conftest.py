"""Two sizes of the same tests: a short one in every run, a long one with LMCTL_FAULTS=long (`make faults`)."""

from __future__ import annotations

import os
import random
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from scenarios import SCENARIOS, Driver, make_world

if TYPE_CHECKING:
    from collections.abc import Iterator

SEED = int(os.environ.get("LMCTL_FAULTS_SEED", "7"))


def pytest_report_header() -> str:
    return f"faults: LMCTL_FAULTS={os.environ.get('LMCTL_FAULTS', 'short')}, LMCTL_FAULTS_SEED={SEED}"


@pytest.fixture
def dice(request: pytest.FixtureRequest) -> random.Random:
    """Random numbers that are the same for the same test and LMCTL_FAULTS_SEED."""
    return random.Random(f"{SEED} {request.node.name}")  # noqa: S311


@pytest.fixture(scope="session")
def seed() -> int:
    """LMCTL_FAULTS_SEED, for what is drawn once for several tests."""
    return SEED


@pytest.fixture(scope="session")
def corpora() -> Path:
    """The texts that come with lmctl."""
    return Path(__file__).parents[2] / "corpora"


@pytest.fixture(scope="session")
def driver() -> Iterator[Driver]:
    """Runs the command with a training that takes no time."""
    started = Driver("rehearsal")
    yield started
    started.close()


@pytest.fixture(scope="session")
def quick_folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder in memory where there is one: thousands of runs wait for the disk most of their time."""
    memory = Path("/dev/shm")  # noqa: S108
    if not os.access(memory, os.W_OK):
        yield tmp_path_factory.mktemp("faults")
        return
    with tempfile.TemporaryDirectory(prefix="lmctl-faults-", dir=memory) as folder:
        yield Path(folder)


@pytest.fixture
def place(quick_folder: Path) -> Iterator[Path]:
    """Where a world may be copied to."""
    folder = quick_folder / "place"
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session", params=SCENARIOS)
def world(request: pytest.FixtureRequest, driver: Driver, quick_folder: Path) -> Path:
    """The folder that a scenario starts in; nobody writes into it."""
    (quick_folder / "worlds").mkdir(exist_ok=True)
    place: Path = quick_folder / "worlds" / request.param
    make_world(place, SCENARIOS[request.param], driver)
    return place
