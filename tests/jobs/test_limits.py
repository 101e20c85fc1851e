import time

import pytest

from lmctl.errors import DivergenceError, LmctlError
from lmctl.jobs.gate import Standard
from lmctl.jobs.limits import publishing_seconds


def test_a_bundle_takes_as_long_as_a_slow_disk_needs():
    # 25 million float32 are 100 MB, at 50 MB a second.
    assert publishing_seconds(25_000_000, None) == 2.0


@pytest.mark.parametrize(
    ("parameters", "seconds"),
    [
        (500_000, 0.04 + 30),  # smaller than the published model: as long as that
        (1_000_000, 0.08 + 30),
        (3_000_000, 0.24 + 90),  # three times as large: three times as long
    ],
)
def test_the_gate_takes_as_long_as_it_took_the_published_model(parameters, seconds):
    standard = Standard(bits_per_character=2.0, parameters=1_000_000, seconds=30.0)

    assert publishing_seconds(parameters, standard) == pytest.approx(seconds)


@pytest.mark.usefixtures("eagerly")
def test_a_time_limit_leaves_time_to_publish(good, monkeypatch, retrain):
    deadlines = []

    def take_note(*_, deadline, **__):
        deadlines.append(deadline - time.monotonic())
        raise DivergenceError

    def seconds(parameters, standard, valid_tokens, *, baseline):
        assert (parameters, standard.parameters) == (good.parameters, good.parameters)
        # 6 + 5 words and two ends; beside every network n-grams are counted.
        assert (valid_tokens, baseline) == (14, True)
        return 1000.0

    monkeypatch.setattr("lmctl.training.trainer.train_network", take_note)
    monkeypatch.setattr("lmctl.jobs.making.publishing_seconds", seconds)

    with pytest.raises(DivergenceError):
        retrain("training.time_limit=3000s")

    # 3,000 of the whole run without 1,000 for publishing and what preparation took, a second or two.
    assert 1900 < deadlines[0] <= 2000


@pytest.mark.usefixtures("eagerly")
def test_a_time_limit_that_is_too_short_to_publish_is_refused_before_training(good, monkeypatch, retrain):
    monkeypatch.setattr("lmctl.jobs.making.publishing_seconds", lambda *_, **__: 70.0)

    with pytest.raises(
        LmctlError, match=r"training.time_limit: 60s leaves no time to train: \d+ s .* about 70, as"
    ):
        retrain("training.time_limit=60s")
