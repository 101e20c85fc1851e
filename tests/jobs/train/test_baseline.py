"""The comparison of a network with the baseline of the same corpus."""

import math
from types import SimpleNamespace

import numpy as np
import pytest

from lmctl.config import read_settings
from lmctl.jobs.train.baseline import compare_with_baseline
from lmctl.jobs.train.validating import ValidScores


@pytest.mark.parametrize(("of_network", "of_ngram"), [(3, 2), (2, 3), (2, 2)])
def test_both_are_compared_on_the_part_of_the_text_that_both_were_scored_on(tmp_path, of_network, of_ngram):
    """A time limit may cut either one short. The third token is far less probable than the first two."""

    def scores(nats, tokens):
        return ValidScores(np.array([-nats, -nats, -9.0])[:tokens], includes_oov=True, tokens=tokens)

    told = []
    network = SimpleNamespace(folder=tmp_path / "network")
    ngram = SimpleNamespace(folder=tmp_path / "ngram", record=SimpleNamespace(sizes=SimpleNamespace(order=5)))
    record = SimpleNamespace(train=SimpleNamespace(oov=1), valid=SimpleNamespace(oov_rate=0.0))

    compare_with_baseline(
        SimpleNamespace(tell=told.append),
        tmp_path,
        SimpleNamespace(record=record, vocabulary=range(9)),
        read_settings().resolve(),
        (network, scores(1.0, of_network)),
        (ngram, scores(2.0, of_ngram)),
        {},
    )

    (compared,) = told
    assert compared.tokens == 2
    assert (compared.network_perplexity, compared.ngram_perplexity) == pytest.approx((math.e, math.e**2))
