"""What `lmctl info` says of a model, apart from the figures that other tests compare."""

import msgspec
import pytest

from lmctl.store.bundle import open_bundle
from lmctl.store.description import describe_bundle, describe_steps


@pytest.fixture
def training(make_bundle, tmp_path):
    """The summary of a training of three steps."""
    return open_bundle(make_bundle(tmp_path / "bundle")).record.training


@pytest.mark.parametrize(
    ("planned", "described"),
    [(None, "1,200 steps"), (1200, "1,200 steps"), (1500, "1,200 of 1,500 planned steps")],
)
def test_the_planned_steps_stand_beside_those_that_were_made(training, planned, described):
    assert describe_steps(msgspec.structs.replace(training, steps=1200, planned_steps=planned)) == described


def test_the_steps_stand_in_the_row_of_the_training(make_bundle, tmp_path):
    rows = describe_bundle(open_bundle(make_bundle(tmp_path / "bundle")))

    assert rows["training"] == "preset tiny, best epoch 1 of 1, 3 steps, seed 1, cpu"
