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
def test_metrics_are_read_with_the_fields_that_are_written(written, read):
    assert set(read.__struct_fields__) == set(written.__struct_fields__)


@pytest.mark.parametrize("name", ["", "Perplexity", "a b", "x" * 81, "\x1b[31m"])
def test_the_name_of_an_own_figure_is_in_lower_case_with_underscores(name):
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert({"own": {name: 1.0}}, figures.Metrics)
    assert msgspec.convert({"own": {"kl_nats": 1.0, "x": None}}, figures.Metrics).own == {
        "kl_nats": 1.0,
        "x": None,
    }


def test_a_figure_that_is_not_finite_is_read_as_none():
    written = CacheTuned(
        words=1, tokens=2, perplexity_without=float("inf"), perplexity=float("nan"), includes_oov=True
    )

    found = msgspec.json.decode(msgspec.json.encode(written), type=figures.CacheMetrics)

    assert (found.perplexity_without, found.perplexity) == (None, None)
