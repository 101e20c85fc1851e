import itertools
import re
from types import SimpleNamespace

import numpy as np
import pytest

from lmctl.config import read_settings
from lmctl.errors import UsageError
from lmctl.jobs.prepare import prepare
from lmctl.jobs.tune.limits import Limits, median_query_seconds


@pytest.mark.parametrize(
    ("text", "name", "value"),
    [
        ("parameters=1234", "parameters", 1234),
        ("parameters=5M", "parameters", 5e6),
        ("parameters=1.5k", "parameters", 1500),
        ("bytes=20MB", "bytes", 20e6),
        ("bytes=20 MiB", "bytes", 20 * 1024 * 1024),
        ("p50=2ms", "p50", 0.002),
        ("p50=250us", "p50", 0.00025),
    ],
)
def test_a_limit_has_a_unit(text, name, value):
    limits = Limits.parse([text])
    assert limits.values() == {name: pytest.approx(value)}


@pytest.mark.parametrize(
    ("texts", "message"),
    [
        (["params=5"], "--at-most: expected a limit such as parameters=5M, bytes=20MB, p50=2ms, got 'params=5'"),
        (["p50"], "--at-most: expected a limit such as parameters=5M, bytes=20MB, p50=2ms, got 'p50'"),
        (
            ["p50=2"],
            "--at-most p50: expected a number above 0 with a unit (us, ms, s), such as p50=2ms; got '2'",
        ),
        (
            ["bytes=0"],
            "expected a number above 0 with a unit (none, kB, MB, GB, KiB, MiB, GiB), such as bytes=20MB; got '0'",
        ),
        (["bytes=-1MB"], "got '-1MB'"),
        (["parameters=" + 400 * "9"], f"such as parameters=5M; got '{77 * '9'}...'"),
        (["bytes=" + 300 * "9" + "GB"], f"such as bytes=20MB; got '{77 * '9'}...'"),
        (["parameters=1M", "parameters=2M"], "--at-most parameters: is given twice; leave one out"),
    ],
)
def test_a_bad_limit_is_refused(texts, message):
    with pytest.raises(UsageError, match=re.escape(message)):
        Limits.parse(texts)


def test_the_excess_is_a_share_of_the_limit():
    limits = Limits.parse(["parameters=1000", "bytes=4kB"])
    assert limits.excess({"parameters": 1500, "bytes": 3000, "p50": 1.0}) == {"parameters": 0.5, "bytes": -0.25}


def test_the_parameters_of_a_network_are_known_before_it_is_trained(tmp_path):
    (tmp_path / "text.txt").write_text("a b c\n" * 4)
    settings = read_settings(
        assignments=["preset=tiny", "model.embedding_dim=2", "model.hidden_units=3", "model.tied=false"]
    )
    corpus = prepare([str(tmp_path / "text.txt")], tmp_path / "corpus", settings.resolve(), jobs=1)

    figures = Limits.parse(["parameters=1", "bytes=1"]).of_configured(corpus, settings.resolve(len(corpus.train)))

    # 5 words (a, b, c, <unk>, </s>) of 2 numbers; gates 4 * 3 * (2 + 3 + 1); a softmax of 5 * (3 + 1).
    parameters = 5 * 2 + 4 * 3 * (2 + 3 + 1) + 5 * (3 + 1)
    assert figures == {"parameters": parameters, "bytes": 4 * parameters}


def test_a_query_takes_the_median_time_of_a_word():
    class Model:
        vocabulary_size = 3

        def initial_state(self, batch):
            return [batch]

        def advance(self, state, token_ids):
            assert token_ids.shape == (1, 1)
            return [*state, int(token_ids[0, 0])]

        def top_k(self, state, k):
            assert (state[0], k) == (1, 5)

    # Every call takes 2 seconds, but every third one takes 100.
    ticks = itertools.accumulate(
        itertools.chain.from_iterable([0.0, 100.0 if number % 3 == 0 else 2.0] for number in itertools.count())
    )
    corpus = SimpleNamespace(valid=np.array([1, 2, 1]))

    assert median_query_seconds(Model(), corpus, lambda: next(ticks)) == 2.0


def test_a_model_that_fills_gaps_has_no_query_time():
    config = read_settings(assignments=["model.family=masked"]).resolve()
    with pytest.raises(UsageError, match="--at-most p50: needs a model that predicts the next word"):
        Limits.parse(["p50=1ms"]).check_family(config)
