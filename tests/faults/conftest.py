"""Two sizes of the same tests: a short one in every run, a long one with LMCTL_FAULTS=long (`make faults`)."""

from __future__ import annotations

import os
import random
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import numpy as np
import pytest
from scenarios import SCENARIOS, Driver, make_world

from lmctl import families
from lmctl.config import read_settings
from lmctl.families.network_family import NetworkFamily
from lmctl.jobs.mix import mix
from lmctl.jobs.train.run import train
from lmctl.store.bundle import open_bundle
from lmctl.store.layout import WEIGHTS
from lmctl.store.writing import weights_file, write_bundle

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

# Keys of a small model. Each family takes the keys that it owns.
SMALL = {
    "order": 3,
    "embedding_dim": 3,
    "hidden_units": 4,
    "layers": 1,
    "heads": 1,
    "feedforward_units": 4,
    "states": 4,
    "blocks": 2,
}

SEED = int(os.environ.get("LMCTL_FAULTS_SEED", "7"))


def pytest_report_header() -> str:
    return f"faults: LMCTL_FAULTS={os.environ.get('LMCTL_FAULTS', 'short')}, LMCTL_FAULTS_SEED={SEED}"


@pytest.fixture
def dice(request: pytest.FixtureRequest) -> random.Random:
    """Random numbers that follow from the test and LMCTL_FAULTS_SEED."""
    return random.Random(f"{SEED} {request.node.name}")  # noqa: S311


@pytest.fixture(scope="session")
def seed() -> int:
    """LMCTL_FAULTS_SEED, for random choices that several tests share."""
    return SEED


@pytest.fixture(scope="session")
def corpora() -> Path:
    """The texts that come with lmctl."""
    return Path(__file__).parents[2] / "corpora"


@pytest.fixture(scope="session")
def driver() -> Iterator[Driver]:
    """Runs the command with the simulated training of rehearsal.py, which takes no time."""
    started = Driver("rehearsal")
    yield started
    started.close()


@pytest.fixture(scope="session")
def quick_folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder in memory if there is one, because thousands of runs would mostly wait for the disk."""
    memory = Path("/dev/shm")  # noqa: S108
    if not os.access(memory, os.W_OK):
        yield tmp_path_factory.mktemp("faults")
        return
    with tempfile.TemporaryDirectory(prefix="lmctl-faults-", dir=memory) as folder:
        yield Path(folder)


@pytest.fixture(scope="session")
def sound(make_bundle: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a small bundle of each built-in family, by its name; tests copy them.

    Networks are written without training: the bundle of an LSTM, whose weights and sizes are replaced.
    """
    folder = tmp_path_factory.mktemp("sound")
    text = folder / "text.txt"
    text.write_text("the cat sat on the mat .\nthe dog sat .\n" * 5)
    lstm = open_bundle(make_bundle(folder / "lstm", stop_words=["mat"]))
    for name in families.BUILT_IN:
        family = families.find(name)
        if family.combines or name == "lstm":
            continue
        keys = {key: value for key, value in SMALL.items() if key in family.config_type.__struct_fields__}
        if isinstance(family, NetworkFamily):
            sizes = family.sizes_of(lstm.vocabulary().counts, family.config_type(**keys))
            weights = {name: np.ones(shape, np.float32) for name, shape in family.weight_shapes(sizes).items()}
            contents = {name: lstm.read(name) for name in lstm.record.files} | {WEIGHTS: weights_file(weights)}
            write_bundle(folder / name, msgspec.structs.replace(lstm.record, sizes=sizes), contents)
        else:
            asked = [f"model.{key}={value}" for key, value in keys.items()]
            settings = read_settings([], [f"model.family={name}", "validation.fraction=0", *asked])
            shutil.copytree(train([str(text)], folder / "trained" / name, settings).published, folder / name)
    mixed = mix([str(folder / "ngram")] * 2, folder / "trained/mixture", str(text))
    shutil.copytree(mixed.published, folder / "mixture")
    return folder


@pytest.fixture
def place(quick_folder: Path) -> Iterator[Path]:
    """A folder to copy a world to."""
    folder = quick_folder / "place"
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session", params=SCENARIOS)
def world(request: pytest.FixtureRequest, driver: Driver, quick_folder: Path) -> Path:
    """The folder that a scenario starts in. No test writes into it."""
    (quick_folder / "worlds").mkdir(exist_ok=True)
    place: Path = quick_folder / "worlds" / request.param
    # pytest makes a fixture with parameters again if tests of other parameters ran in between.
    if not place.exists():
        make_world(place, SCENARIOS[request.param], driver)
    return place
