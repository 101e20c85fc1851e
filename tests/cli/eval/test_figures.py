"""The figures of `lmctl eval --json`, each compared with the scores of the sentences."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
from refusals import assert_refused
from scored import TEXT, log10, summary

from lmctl.families import load_language_model
from lmctl.families.cached.runtime import CachedLanguageModel
from lmctl.store.bundle import open_bundle


def test_json_summary_has_every_figure_of_the_scores(call, bundle, text, scores):
    found = summary(call, "-m", bundle, text)

    total = sum(score.total_log_prob for score in scores)
    oov = float(scores[1].log_probs[1])
    assert found == {
        "level": "summary",
        "file": str(text),
        "model": str(bundle),
        "sentences": 3,
        "words": 11,
        "oov": 1,
        "tokens": 14,
        "oov_rate": pytest.approx(1 / 11),
        "characters": sum(len(line) + 1 for line in TEXT.decode().split("\n") if line),
        "logprob10": pytest.approx(log10(total)),
        "logprob10_excluding_oov": pytest.approx(log10(total - oov)),
        "perplexity": pytest.approx(math.exp(-total / 14)),
        "perplexity_excluding_oov": pytest.approx(math.exp(-(total - oov) / 13)),
        "zeroprobs": 0,
        "srilm_logprob10": pytest.approx(log10(total - oov)),
        "srilm_ppl": pytest.approx(math.exp(-(total - oov) / 13)),
        "ppl1": pytest.approx(math.exp(-(total - oov) / 10)),
        "cross_entropy_nats": pytest.approx(-total / 14),
        "bits_per_character": found["bits_per_character"],
        "accuracy": None,
        "mean_reciprocal_rank": None,
        "vocabulary_size": 9,
        "state": "reset",
        "cache": 0,
        "dynamic_rate": None,
        "interval": None,
    }
    assert found["bits_per_character"] > -total / math.log(2) / found["characters"]


def test_a_uniform_model_has_the_perplexity_of_its_vocabulary(call, uniform, write):
    found = summary(call, "-m", uniform, write("known.txt", b"the cat sat on the mat\n"))

    assert found["perplexity"] == pytest.approx(9.0)
    assert found["cross_entropy_nats"] == pytest.approx(math.log(9))
    assert found["bits_per_character"] == pytest.approx(7 * math.log2(9) / 23)


def test_accuracy_and_reciprocal_rank_follow_from_the_ranks(call, bundle, text):
    found = summary(call, "-m", bundle, "--accuracy-at", "5,1,3", text)
    rows = call("eval", "-m", bundle, "--level", "word", "--accuracy-at", "1", text).rows

    ranks = [int(row[8]) for row in rows[1:] if row[5] == "0"]  # an OOV is a miss
    assert len(ranks) == 13
    assert found["accuracy"] == {str(k): pytest.approx(sum(rank <= k for rank in ranks) / 14) for k in (1, 3, 5)}
    assert found["mean_reciprocal_rank"] == pytest.approx(sum(1 / rank for rank in ranks) / 14)
    header, row = call("eval", "-m", bundle, "--accuracy-at", "5,1", text).rows
    assert [name for name in header if name.startswith("accuracy")] == ["accuracy@1", "accuracy@5"]
    assert row[header.index("accuracy@5")] == f"{found['accuracy']['5']:.6f}"


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (("--format", "kenlm"), "--format kenlm has no accuracy; with --accuracy-at use table, tsv or jsonl"),
        (("--format", "srilm", "--level", "word"), "--format srilm has no accuracy"),
        (("--level", "sentence"), "--level sentence has no accuracy in tsv; with --accuracy-at use"),
    ],
)
def test_accuracies_that_no_row_would_have_are_refused(call, bundle, text, tmp_path, options, expected):
    asked = ("eval", "-m", bundle, "--blank-lines", "drop", "--accuracy-at", "1", *options, text)

    assert_refused(call(*asked), 2, expected)
    # -o has them.
    assert call(*asked, "-o", tmp_path / "figures.json").code == 0
    (figures,) = json.loads((tmp_path / "figures.json").read_bytes())["texts"]
    assert figures["accuracy"] == summary(call, "-m", bundle, "--accuracy-at", "1", text)["accuracy"]


def test_ties_count_against_the_model(call, uniform, write):
    found = summary(call, "-m", uniform, "--accuracy-at", "8,9", write("known.txt", b"the cat\n"))

    assert found["accuracy"] == {"8": 0.0, "9": 1.0}
    assert found["mean_reciprocal_rank"] == pytest.approx(1 / 9)


def test_carry_scores_each_line_after_the_one_before(call, bundle, text):
    reset = summary(call, "-m", bundle, text)
    carry = summary(call, "-m", bundle, "--state", "carry", text)

    assert (reset["state"], carry["state"]) == ("reset", "carry")
    assert carry["tokens"] == reset["tokens"]
    assert carry["perplexity"] != pytest.approx(reset["perplexity"], rel=1e-4)
    levels = [
        [
            float(row[5])
            for row in call("eval", "-m", bundle, "--level", "sentence", "--state", mode, text).rows[1:]
        ]
        for mode in ("reset", "carry")
    ]
    assert levels[0][0] == levels[1][0]
    assert levels[0][1] != levels[1][1]


def test_blank_lines_are_sentences_when_kept(call, bundle, text):
    dropped = summary(call, "-m", bundle, text)
    kept = summary(call, "-m", bundle, "--blank-lines", "keep", text)

    assert (kept["sentences"], kept["tokens"]) == (dropped["sentences"] + 1, dropped["tokens"] + 1)
    assert kept["words"] == dropped["words"]


def test_a_cache_gives_the_perplexity_that_it_has_by_hand(call, cached, text):
    bundle = open_bundle(cached)
    model = CachedLanguageModel(load_language_model(bundle), bundle.record.cache, 5)
    state = model.advance(model.null_state(1), np.array([[1]]))
    vocabulary, log_probs = bundle.vocabulary(), []
    for line in filter(None, TEXT.decode().split("\n")):
        for token_id in [*vocabulary.encode(line.split()), 1]:
            log_probs.append(float(model.log_probs(state)[0, token_id]))
            state = model.advance(state, np.array([[token_id]]))

    found = summary(call, "-m", cached, "--state", "carry", "--cache", "5", text)

    assert found["perplexity"] == pytest.approx(math.exp(-np.mean(log_probs)), rel=1e-5)
    without = summary(call, "-m", cached, "--state", "carry", text)
    assert abs(found["perplexity"] / without["perplexity"] - 1) > 1e-2


def test_a_cache_needs_a_text_to_remember_and_parameters(call, bundle, cached, text):
    for model, arguments, message in (
        (cached, ("--cache", "9"), "--cache needs --state carry; with --state reset,"),
        (bundle, ("--cache", "9", "--state", "carry"), f"{bundle}: no cache was tuned for this model, because"),
    ):
        finished = call("eval", "-m", model, *arguments, text)
        assert (finished.code, finished.out, finished.err.count("\n")) == (2, "", 1)
        assert finished.err.startswith(f"lmctl: {message}")
