"""`lmctl eval --interval`."""

from __future__ import annotations

import math

import numpy as np
import pytest
from refusals import assert_refused
from scored import summary

from lmctl.query.bootstrap import Resampling, perplexity_interval


def test_the_interval_is_that_of_the_sums_of_lines(call, bundle, text, scores):
    found = summary(call, "-m", bundle, "--interval", text)

    lines = np.array([(-score.total_log_prob, len(score.token_ids)) for score in scores])
    expected = perplexity_interval(lines, Resampling())
    assert found["interval"] == {
        "low": pytest.approx(expected.low),
        "high": pytest.approx(expected.high),
        "confidence": 95.0,
        "samples": 10_000,
        "seed": 1,
        "units": 3,
    }
    assert found["interval"]["low"] < found["perplexity"] < found["interval"]["high"]
    assert summary(call, "-m", bundle, text) == found | {"interval": None}


def test_a_uniform_model_has_an_interval_without_width(call, uniform, text):
    found = summary(call, "-m", uniform, "--interval", "--confidence", "99", text)

    assert found["interval"]["low"] == pytest.approx(9.0)
    assert found["interval"]["high"] == pytest.approx(9.0)
    assert found["interval"]["confidence"] == 99.0


def test_the_interval_in_rows_and_on_a_terminal(call, bundle, text):
    as_json = summary(call, "-m", bundle, "--interval", text)["interval"]

    header, row = call("eval", "-m", bundle, "--interval", "--format", "tsv", text).rows
    cells = dict(zip(header, row, strict=True))
    shown = call("eval", "-m", bundle, "--interval", "--format", "table", text).out

    assert (cells["perplexity_low"], cells["perplexity_high"]) == (
        f"{as_json['low']:.6f}",
        f"{as_json['high']:.6f}",
    )
    assert cells["confidence"] == "95.000000"
    assert "95 %" in shown
    assert f"{as_json['low']:.2f}–{as_json['high']:.2f}" in shown
    assert "perplexity_low" not in call("eval", "-m", bundle, "--format", "tsv", text).rows[0]


def test_more_confidence_gives_a_wider_interval(call, bundle, text):
    wide, narrow = (
        summary(call, "-m", bundle, "--interval", "--confidence", confidence, text)["interval"]
        for confidence in ("99", "30")
    )

    assert wide["high"] - wide["low"] > narrow["high"] - narrow["low"]
    assert math.isfinite(wide["high"])


def test_one_line_has_no_interval(call, bundle, write):
    one = write("one.txt", b"the cat\n\n")

    assert_refused(call("eval", "-m", bundle, "--interval", one), 65, f"{one}: 1 line to draw from", "two or more")


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (("--confidence", "90"), "--confidence needs --interval"),
        (("--interval", "--format", "kenlm"), "--format kenlm has no interval"),
        (("--interval", "--level", "sentence"), "--level sentence has no interval in tsv; with --interval use"),
        (("--interval", "--level", "word", "--format", "tsv"), "--level word has no interval in tsv"),
        (("--interval", "--confidence", "0"), "above 0"),
        (("--interval", "--confidence", "101"), "100"),
    ],
)
def test_options_that_do_not_fit_are_refused(call, bundle, text, options, expected):
    assert_refused(call("eval", "-m", bundle, *options, text), 2, expected)


def test_a_model_that_fills_gaps_has_no_interval(call, make_bundle, tmp_path, text):
    masked = make_bundle(tmp_path / "masked", family="masked")

    assert_refused(call("eval", "-m", masked, "--interval", text), 2, "--interval", "fills gaps")
