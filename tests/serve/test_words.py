"""Words for contexts and gaps: candidates, whole words, carried states and caches, as on the command line."""

from __future__ import annotations

import math

import pytest
from pieces import all_pieces, model_of_a_user

from lmctl.families.cached.parameters import CacheParameters
from lmctl.progress import listening
from lmctl.query.filling import Filler
from lmctl.query.model import Model
from lmctl.query.prediction import Predictor
from lmctl.query.scoring import score_sentences
from lmctl.query.whole_words import WordPredictor
from lmctl.serve.endpoints import ENDPOINTS
from lmctl.serve.live_model import LiveModel
from lmctl.store.bundle import open_bundle
from lmctl.store.writing import amend_bundle

CONTEXTS = ["the cat ", "sat on ", "the m"]
TEXTS = ["the cat sat", "the dog sat", "the cat"]


@pytest.fixture(scope="session")
def cached(make_bundle, tmp_path_factory):
    """The model of `bundle`, with a cache of weight 1/2."""
    folder = make_bundle(tmp_path_factory.mktemp("cached") / "bundle")
    amend_bundle(open_bundle(folder), cache=CacheParameters(weight=0.5, theta=1.0))
    return folder


@pytest.fixture(scope="session")
def masked(make_bundle, tmp_path_factory):
    """A model of the same words that fills gaps."""
    return make_bundle(tmp_path_factory.mktemp("masked") / "bundle", family="masked")


def test_candidates_are_the_only_answers(serving, uniform, messages):
    asked = {"contexts": ["the"], "candidates": ["cat", "zebra", "dog"]}
    (found,) = serving(uniform).post("/v1/predict", json=asked).json()["answers"]

    # Their probabilities are those of all words.
    assert {each["word"]: each["prob"] for each in found["predictions"]} == pytest.approx(
        {"cat": 1 / 9, "dog": 1 / 9}, rel=1e-6
    )
    # A client does not fill the log.
    assert messages == []


def test_a_gap_of_a_uniform_model_has_equal_words(serving, uniform):
    asked = {"texts": ["the ___ sat", "GAP"], "candidates": ["cat", "dog", "zebra"], "full": True}
    client = serving(uniform)
    (found,) = client.post("/v1/fill", json={**asked, "texts": asked["texts"][:1]}).json()["answers"]

    assert (found["line"], found["text"], found["oov"], found["exact"]) == (1, "the ___ sat", [], True)
    assert (found["candidates"], found["scored"]) == (2, 2)
    assert [each["prob"] for each in found["predictions"]] == pytest.approx([0.5, 0.5])
    assert found["predictions"][0]["logprob"] == pytest.approx(math.log(0.5))
    assert "no gap in 'GAP'" in client.post("/v1/fill", json=asked).json()["error"]
    other = client.post("/v1/fill", json={"texts": ["the GAP"], "blank": "GAP", "k": 9, "allow_unk": True})
    assert len(other.json()["answers"][0]["predictions"]) == 8


@pytest.mark.parametrize("family", ["lstm", "masked"])
def test_gaps_are_filled_as_on_the_command_line(serving, bundle, masked, family):
    folder = masked if family == "masked" else bundle
    texts = ["the ___ sat on the mat .", "zebra ___"]
    client = serving(folder)
    answered = client.post("/v1/fill", json={"texts": texts, "k": 3, "mid_sentence": True}).json()

    assert client.get("/healthz").json()["fills_gaps"] == (family == "masked")
    filler = Filler(Model(open_bundle(folder)), k=3, mid_sentence=True)
    for answer, expected in zip(answered["answers"], map(filler.answer, texts), strict=True):
        assert (answer["oov"], answer["exact"]) == (expected.oov, expected.exact)
        assert [each["word"] for each in answer["predictions"]] == [each.word for each in expected.predictions]
        assert [each["logprob"] for each in answer["predictions"]] == pytest.approx(
            [each.logprob for each in expected.predictions], abs=1e-4
        )


def test_before_each_gap_a_request_that_nobody_waits_for_can_be_given_up(masked):
    """A model that fills gaps answers a gap in one step, without a report of its own."""
    opened = LiveModel(str(masked)).current
    fill = next(endpoint for endpoint in ENDPOINTS if endpoint.name == "fill")
    reports = []
    with listening(lambda *report: reports.append(report)):
        fill.answer(opened, [fill.request(texts=("the ___", "a ___", "___ sat"))])

    assert reports == [("filling the gaps", done, 3) for done in range(3)]


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("predict", {"contexts": ["the"]}),
        ("score", {"texts": ["the"]}),
        ("surprisal", {"texts": ["the"]}),
        ("generate", {"prompts": ["the"]}),
        ("generate", {"prompts": ["the"], "stream": True}),
    ],
)
def test_a_model_that_fills_gaps_has_no_next_word(serving, masked, path, body):
    response = serving(masked).post(f"/v1/{path}", json=body)

    assert response.status_code == 422
    assert "has no distribution of the next word" in response.json()["error"]


@pytest.mark.parametrize("cache", [0, 5])
def test_a_carried_state_goes_on_from_text_to_text(answered_together, cached, cache):
    model = Model(open_bundle(cached), cache)
    carried = {"state": "carry", "cache": cache}
    asked = [
        ("predict", {"contexts": tuple(CONTEXTS), "peek": True, **carried}),
        # Another request does not go on from this one.
        ("predict", {"contexts": tuple(CONTEXTS), "peek": True, **carried}),
        ("score", {"texts": tuple(TEXTS), **carried}),
        ("surprisal", {"texts": tuple(TEXTS), **carried}),
    ]
    (one, same, scored, surprising), _ = answered_together(cached, asked)

    expected = Predictor(model, state="carry", peek=True).answer(CONTEXTS)
    for answer, of_one in zip(expected, one.answers, strict=True):
        assert [each.word for each in of_one.predictions] == [each.word for each in answer.predictions]
        assert [each.prob for each in of_one.predictions] == pytest.approx(
            [each.prob for each in answer.predictions], rel=1e-4
        )
    assert same == one
    totals = [score.total_log_prob for score in score_sentences(model, TEXTS, state="carry")]
    assert [each.logprob for each in scored.answers] == pytest.approx(totals, rel=1e-5)
    assert (scored.summary.state, scored.summary.cache) == ("carry", cache)
    bits = [sum(word.bits for word in answer.words) for answer in surprising.answers]
    assert bits == pytest.approx([-total / math.log(2) for total in totals], rel=1e-5)
    # The third text is not scored as it is alone.
    assert totals[2] != pytest.approx(model.score(TEXTS[2]).total_log_prob, rel=1e-3)


def test_whole_words_of_a_model_of_pieces(serving, make_bundle, tmp_path):
    subwords = model_of_a_user(["the cat sat", "the dog sat on a mat"] * 20)
    folder = make_bundle(
        tmp_path / "bundle", words=all_pieces(subwords), segmenter="sentencepiece", subword_model=subwords
    )
    asked = {"contexts": ["the cat"], "words": True, "k": 3, "limit": 20}
    (found,) = serving(folder).post("/v1/predict", json=asked).json()["answers"]

    (expected,) = WordPredictor(Model(open_bundle(folder)), k=3, limit=20).answer(["the cat"])
    assert [each["word"] for each in found["predictions"]] == [each.word for each in expected.predictions]
    assert found["exact"] == expected.exact
    assert found["unseen"] == pytest.approx(expected.unseen, rel=1e-3)


@pytest.mark.parametrize(
    ("path", "body", "message"),
    [
        ("predict", {"contexts": ["a"], "cache": 5}, "cache needs state carry"),
        ("predict", {"contexts": ["a"], "peek": True}, "peek needs state carry"),
        ("predict", {"contexts": ["a"], "cache": 5, "state": "carry"}, "no cache was tuned for this model"),
        ("predict", {"contexts": ["a"], "limit": 5}, "limit needs words"),
        ("predict", {"contexts": ["a"], "ignore_case": True}, "ignore_case needs prefix"),
        ("predict", {"contexts": ["a"], "given_prefix": True}, "given_prefix needs prefix"),
        ("surprisal", {"texts": ["a"], "punctuation": "separate"}, "punctuation needs words_given"),
        ("predict", {"contexts": ["a"], "words": True}, "its tokens are words already"),
        ("predict", {"contexts": ["a"], "words": True, "prefix": True}, "words and prefix contradict each other"),
        ("predict", {"contexts": ["a"], "prefix": True, "state": "carry"}, "needs --peek"),
        ("predict", {"contexts": ["a"], "candidates": ["zebra"]}, "none of the 1 candidates"),
        ("predict", {"contexts": ["a"], "candidates": []}, "length >= 1"),
        ("score", {"texts": ["a"], "cache": 5}, "cache needs state carry"),
        ("score", {"texts": ["a"], "state": "keep"}, "Invalid enum value 'keep'"),
        ("surprisal", {"texts": ["a"], "cache": 10_001, "state": "carry"}, "`int` <= 10000"),
        ("fill", {"texts": ["a ___"], "full": True, "limit": 3}, "full and limit contradict each other"),
        ("fill", {"texts": ["a ___ ___"]}, "2 gaps"),
        ("fill", {"texts": ["a ___"], "blank": " "}, "expected characters without white space"),
    ],
)
def test_keys_that_do_not_go_together_are_refused(client, path, body, message):
    response = client.post(f"/v1/{path}", json=body)

    assert response.status_code == 422
    assert message in response.json()["error"]
