"""The comparison of a network with the baseline of the same corpus."""

import math
from types import SimpleNamespace

import numpy as np
import pytest

from lmctl.config import read_settings
from lmctl.jobs.train.baseline import compare_with_baseline
from lmctl.jobs.train.validating import ValidScores


@pytest.fixture
def compare(tmp_path):
    """`compare(of_network, of_ngram, metrics)`: the event, if so many of three tokens were scored with each.

    The third token is far less probable than the first two.
    """

    def scores(nats, tokens):
        return ValidScores(np.array([-nats, -nats, -9.0])[:tokens], includes_oov=True, tokens=tokens)

    def compare_on(of_network, of_ngram, metrics):
        told = []
        network = SimpleNamespace(folder=tmp_path / "network")
        sizes = SimpleNamespace(order=5)
        ngram = SimpleNamespace(folder=tmp_path / "ngram", record=SimpleNamespace(sizes=sizes))
        record = SimpleNamespace(train=SimpleNamespace(oov=1), valid=SimpleNamespace(oov_rate=0.0))
        compare_with_baseline(
            SimpleNamespace(tell=told.append),
            tmp_path,
            SimpleNamespace(record=record, vocabulary=range(9), valid=np.zeros(3)),
            read_settings().resolve(),
            (network, scores(1.0, of_network)),
            (ngram, scores(2.0, of_ngram)),
            metrics,
        )
        (compared,) = told
        return compared

    return compare_on


@pytest.mark.parametrize(("of_network", "of_ngram"), [(3, 2), (2, 3), (2, 2)])
def test_both_are_compared_on_the_part_of_the_text_that_both_were_scored_on(compare, of_network, of_ngram):
    """A time limit may cut either one short."""
    compared = compare(of_network, of_ngram, {})

    assert compared.tokens == 2
    assert (compared.network_perplexity, compared.ngram_perplexity) == pytest.approx((math.e, math.e**2))


@pytest.mark.parametrize(("of_training", "warns"), [(3, True), (2, False)])
def test_a_warning_says_on_how_many_tokens_both_are_compared_if_the_network_has_a_figure_of_more(
    compare, caplog, of_training, warns
):
    """Training validated more tokens than the finished network was scored on before its time was over."""
    compare(2, 3, {"valid": SimpleNamespace(tokens=of_training)})

    said = (
        "training.time_limit leaves no time to compare the network with the baseline (5-grams) on all of the "
        "validation text: they are compared on the first 2 of its 3 tokens"
    )
    assert caplog.messages == [said] * warns
