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

from lmctl.config import read_settings
from lmctl.families.feedforward.config import FeedForwardConfig
from lmctl.families.feedforward.sizes import FeedForwardSizes
from lmctl.families.feedforward.weights import weight_shapes as feedforward_shapes
from lmctl.families.transformer.config import TransformerConfig
from lmctl.families.transformer.sizes import TransformerSizes
from lmctl.families.transformer.weights import weight_shapes as transformer_shapes
from lmctl.jobs.mix import mix
from lmctl.jobs.train.run import train
from lmctl.store.bundle import open_bundle
from lmctl.store.layout import WEIGHTS
from lmctl.store.writing import weights_file, write_bundle

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

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


@pytest.fixture(scope="session")
def sound(make_bundle: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a bundle of each built-in family; tests copy them."""
    folder = tmp_path_factory.mktemp("sound")
    make_bundle(folder / "lstm", stop_words=["mat"])
    (folder / "text.txt").write_text("the cat sat on the mat .\nthe dog sat .\n" * 5)
    settings = read_settings([], ["model.family=ngram", "model.order=3", "validation.fraction=0"])
    ngram = train([str(folder / "text.txt")], folder / "counted", settings).published
    shutil.copytree(ngram, folder / "ngram")
    mixed = mix([str(folder / "ngram")] * 2, folder / "mixed", str(folder / "text.txt"))
    shutil.copytree(mixed.published, folder / "mixture")
    lstm = open_bundle(folder / "lstm")
    for family, sizes, weight_shapes in (
        (
            "feedforward",
            FeedForwardSizes.of(lstm.vocabulary().counts, FeedForwardConfig(embedding_dim=3, hidden_units=4)),
            feedforward_shapes,
        ),
        (
            "transformer",
            TransformerSizes.of(lstm.vocabulary().counts, TransformerConfig(hidden_units=4, heads=1, layers=1)),
            transformer_shapes,
        ),
    ):
        weights = {name: np.ones(shape, np.float32) for name, shape in weight_shapes(sizes).items()}
        contents = {name: lstm.read(name) for name in lstm.record.files} | {WEIGHTS: weights_file(weights)}
        write_bundle(folder / family, msgspec.structs.replace(lstm.record, sizes=sizes), contents)
    return folder


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
