import pytest

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
