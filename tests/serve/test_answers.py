"""What the endpoints answer: sums that a reader can do, and the answers of the command line."""

from __future__ import annotations

import math
from concurrent.futures import ThreadPoolExecutor

import pytest
from counted_bigrams import publish_bigrams

from lmctl.query import window_scoring
from lmctl.query.generation import TextGenerator
from lmctl.query.model import Model
from lmctl.store.bundle import open_bundle


def test_the_next_words_of_a_uniform_model_each_have_a_ninth(serving, uniform):
    asked = {"contexts": ["the cat", "the zebra"], "k": 2, "allow_unk": True}
    answered = serving(uniform).post("/v1/predict", json=asked).json()

    assert (answered["model"], answered["generation"]) == (str(uniform), None)
    first, second = answered["answers"]
    assert (first["line"], first["context"], first["oov"]) == (1, "the cat", [])
    assert (second["line"], second["context"], second["oov"]) == (2, "the zebra", ["zebra"])
    assert [found["prob"] for found in first["predictions"]] == pytest.approx([1 / 9, 1 / 9], rel=1e-6)
    assert first["predictions"][0]["logprob"] == pytest.approx(-math.log(9), rel=1e-6)


def test_a_sentence_of_a_uniform_model_has_the_sum_of_its_tokens(serving, uniform):
    asked = {"texts": ["the cat sat", ""], "level": "word", "accuracy_at": [1, 9]}
    answered = serving(uniform).post("/v1/score", json=asked).json()

    first, empty = answered["answers"]
    assert (first["words"], first["oov"], first["characters"]) == (3, 0, 12)
    # Three words and </s>.
    assert first["logprob"] == pytest.approx(-4 * math.log(9), rel=1e-6)
    assert [token["word"] for token in first["tokens"]] == ["the", "cat", "sat", "</s>"]
    assert first["tokens"][0]["surprisal_bits"] == pytest.approx(math.log2(9), rel=1e-6)
    # A tie gets the worst rank.
    assert first["tokens"][0]["rank"] == 9
    assert (empty["words"], len(empty["tokens"])) == (0, 1)
    assert answered["summary"]["tokens"] == 5
    assert answered["summary"]["accuracy"] == {"1": 0, "9": 1}
    assert answered["summary"]["perplexity"] == pytest.approx(9, rel=1e-6)


def test_words_have_their_places_and_bits(serving, uniform):
    asked = {"texts": ["the  cat!"], "entropy": True, "words_given": True}
    answered = serving(uniform).post("/v1/surprisal", json=asked).json()

    words = answered["answers"][0]["words"]
    assert [(word["word"], word["start"], word["end"], word["oov"]) for word in words] == [
        ("the", 0, 3, False),
        ("cat!", 5, 9, True),
        ("</s>", 9, 9, False),
    ]
    assert [word["bits"] for word in words] == pytest.approx([math.log2(9)] * 3, rel=1e-6)
    assert [word["entropy"] for word in words] == pytest.approx([math.log2(9)] * 3, rel=1e-6)


@pytest.mark.parametrize("endpoint", ["score", "surprisal"])
def test_a_request_is_computed_by_one_thread(client, monkeypatch, endpoint):
    threads = []

    class Recording(ThreadPoolExecutor):
        def __init__(self, most):
            threads.append(most)
            super().__init__(most)

    monkeypatch.setattr(window_scoring, "ThreadPoolExecutor", Recording)
    monkeypatch.setattr(window_scoring, "scoring_threads", lambda: 4)

    assert client.post(f"/v1/{endpoint}", json={"texts": ["the cat"]}).status_code == 200
    assert threads == [1]


def test_an_unfinished_word_is_completed(client):
    asked = {"contexts": ["the CA"], "prefix": True, "given_prefix": True, "ignore_case": True}
    (found,) = client.post("/v1/predict", json=asked).json()["answers"]

    assert (found["prefix"], [each["word"] for each in found["predictions"]]) == ("CA", ["cat"])
    assert found["predictions"][0]["prob"] == pytest.approx(1)


@pytest.fixture
def requests():
    """Requests of every kind, with settings that are shared by some."""
    texts = ["the cat sat on the mat .", "the dog", "", "zebra cat", "the cat sat on the mat", "dog dog dog"]
    predict = [("predict", {"contexts": (text, text[:7])}) for text in texts]
    return [
        *predict,
        ("predict", {"contexts": ("the d",), "prefix": True}),
        *[("score", {"texts": (text,), "level": "word"}) for text in texts],
        *[("surprisal", {"texts": (text, "the")}) for text in texts],
        *[
            ("generate", {"prompts": ("the", "cat sat"), "seed": seed, "words": 7, "samples": 2})
            for seed in range(4)
        ],
        ("generate", {"prompts": ("the",), "beam": 3, "samples": 2}),
    ]


def test_an_answer_does_not_depend_on_its_batch(answered_together, bundle, requests):
    together, sizes = answered_together(bundle, requests)
    alone = [answered_together(bundle, [request])[0][0] for request in requests]

    assert together == alone
    # Groups of equal settings: predictions, a completion, scores, surprisals; samples, a search.
    assert sorted(sizes) == [1, 1, 4, 6, 6, 6]


def test_a_batch_has_no_more_requests_than_it_may(answered_together, bundle):
    found, sizes = answered_together(bundle, [("predict", {"contexts": ("the",)})] * 7, largest=3)

    assert sizes == [3, 3, 1]
    assert all(each == found[0] for each in found)


def test_a_request_that_fails_does_not_fail_those_beside_it(answered_together, bundle):
    asked = [("generate", {"prompts": (text,), "seed": 1, "words": 3}) for text in ("the", "qqq", "cat")]
    found, _ = answered_together(bundle, asked)

    assert "no word of the prompt 'qqq'" in str(found[1])
    model = Model(open_bundle(bundle))
    generator = TextGenerator(model, words=3, seed=1)
    for response, text in ((found[0], "the"), (found[2], "cat")):
        (expected,) = next(generator.generate([generator.read(text, line=1)]))
        assert response.answers[0].text == expected.text


def test_a_probability_of_zero_is_null(serving, tmp_path):
    model = publish_bigrams(tmp_path, "the cat\nthe dog\n")

    answered = serving(model).post("/v1/surprisal", json={"texts": ["cat the"]}).json()
    # No sentence starts with cat.
    assert answered["generation"] == 1
    assert answered["answers"][0]["words"][0]["bits"] is None
