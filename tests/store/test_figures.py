from __future__ import annotations

import msgspec
import pytest

from lmctl.jobs.train.validating import ValidFigures
from lmctl.jobs.watching.events import CacheTuned, Compared
from lmctl.store import figures
from lmctl.training.events import Drift, EpochDone


@pytest.mark.parametrize(
    ("written", "read"),
    [
        (ValidFigures, figures.ValidMetrics),
        (Drift, figures.DriftMetrics),
        (Compared, figures.ComparedMetrics),
        (CacheTuned, figures.CacheMetrics),
        (EpochDone, figures.HistoryLine),
    ],
)
def test_what_is_read_has_the_fields_that_are_written(written, read):
    assert set(read.__struct_fields__) == set(written.__struct_fields__)


def test_a_figure_that_is_not_finite_is_read_as_none():
    written = CacheTuned(
        words=1, tokens=2, perplexity_without=float("inf"), perplexity=float("nan"), includes_oov=True
    )

    found = msgspec.json.decode(msgspec.json.encode(written), type=figures.CacheMetrics)

    assert (found.perplexity_without, found.perplexity) == (None, None)
