"""No bit of an answer may depend on the other lines that are answered with it."""

import numpy as np
import pytest

from lmctl import families
from lmctl.families.cached.parameters import CacheParameters
from lmctl.families.cached.runtime import CachedLanguageModel
from lmctl.families.mixture.runtime import MixtureLanguageModel
from lmctl.families.transformer.config import TransformerConfig
from lmctl.families.transformer.sizes import TransformerSizes
from lmctl.families.vae.config import VAEConfig
from lmctl.families.vae.sizes import VAESizes
from lmctl.layers.clusters import Cluster
from lmctl.query import window_scoring
from lmctl.query.model import Model
from lmctl.query.prediction import Predictor
from lmctl.query.scoring import score_sentences

WORDS = [f"w{number}" for number in range(398)]
ONE_TABLE = {"clusters": [Cluster(words=400, width=48)], "tied": True, "embedding_dim": 48, "hidden_units": 64}
CLUSTERS = {
    "clusters": [Cluster(words=100, width=40), Cluster(words=120, width=20), Cluster(words=180, width=10)],
    "tied": False,
    "embedding_dim": 24,
    "hidden_units": 40,
    "layers": 2,
}


@pytest.fixture(scope="module")
def lines():
    """Seventy lines of up to thirty words, some of them unknown; a few are equal, and one is blank."""
    draw = np.random.default_rng(1)
    drawn = [draw.choice([*WORDS, "unheard-of"], size=length) for length in draw.integers(1, 31, size=66)]
    lines = [" ".join(words) for words in drawn]
    return [*lines, *lines[:3], ""]


@pytest.fixture(params=["one table", "clusters", "transformer", "vae", "mixture", "cache"])
def model(request, make_model) -> Model:
    """A network of each kind, a mixture of two, and the mixture with a cache."""
    if request.param == "transformer":
        model = make_model(words=WORDS, sizes=ONE_TABLE)
        config = TransformerConfig(hidden_units=24, layers=2, heads=2, feedforward_units=40, context=11)
        sizes = TransformerSizes.of([1] * 400, config)
        model.runtime = families.find("transformer").random_model(sizes)
        return model
    if request.param == "vae":
        model = make_model(words=WORDS, sizes=ONE_TABLE)
        config = VAEConfig(embedding_dim=24, hidden_units=40, layers=2, encoder_units=8, code_dim=3, codes=5)
        model.runtime = families.find("vae").random_model(VAESizes.of([1] * 400, config))
        return model
    if request.param in ("one table", "clusters"):
        return make_model(words=WORDS, sizes=CLUSTERS if request.param == "clusters" else ONE_TABLE)
    model = make_model(words=WORDS, sizes=CLUSTERS)
    members = [model.language_model, make_model(words=WORDS, sizes=ONE_TABLE).language_model]
    model.runtime = MixtureLanguageModel(members, [0.4, 0.6])
    if request.param == "cache":
        model.runtime = CachedLanguageModel(model.language_model, CacheParameters(weight=0.3, theta=4.0), 50)
    return model


def log_probs(scores):
    return [score.log_probs.tolist() for score in scores]


def test_a_context_is_answered_alike_alone_and_in_a_batch_of_any_size(model, lines):
    predictor = Predictor(model)
    alone = [predictor.answer([line])[0] for line in lines]

    assert predictor.answer(lines) == alone
    assert predictor.answer(lines[::-1]) == alone[::-1]
    assert predictor.answer(lines[3:16]) == alone[3:16]


def test_carried_contexts_are_answered_alike_however_they_arrive(model, lines):
    at_once = Predictor(model, state="carry").answer(lines)
    line_by_line = Predictor(model, state="carry")

    assert [line_by_line.answer([line])[0] for line in lines] == at_once


@pytest.mark.parametrize("ranks", [False, True])
def test_a_sentence_is_scored_alike_alone_and_among_others(model, lines, ranks):
    alone = [next(score_sentences(model, [line], blank_lines="keep", ranks=ranks)) for line in lines]

    for threads in (1, 2):
        together = list(score_sentences(model, lines, blank_lines="keep", ranks=ranks, threads=threads))
        assert log_probs(together) == log_probs(alone)
        if ranks:
            assert [score.ranks.tolist() for score in together] == [score.ranks.tolist() for score in alone]


@pytest.mark.parametrize("ranks", [False, True])
def test_a_carried_text_is_scored_alike_in_windows_of_any_size(model, lines, ranks, monkeypatch):
    at_once = log_probs(score_sentences(model, lines, state="carry", ranks=ranks))

    for window in (1, 100):
        monkeypatch.setattr(window_scoring, "WINDOW_TOKENS", window)
        assert log_probs(score_sentences(model, lines, state="carry", ranks=ranks)) == at_once
