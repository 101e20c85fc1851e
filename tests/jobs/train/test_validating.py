"""Figures that only the family of a model has."""

from pathlib import Path

import pytest

from lmctl.config import read_settings
from lmctl.jobs.train.run import train
from lmctl.store.bundle import open_bundle


@pytest.fixture
def given(monkeypatch):
    """The validation texts that the family of n-grams was given; its only figure is their length."""
    texts = []

    def own_figures(_, bundle, token_ids):
        words = bundle.vocabulary().words
        texts.append(" ".join(words[token_id] for token_id in token_ids))
        return {"tokens": float(len(token_ids))}

    monkeypatch.setattr("lmctl.families.ngram.Ngram.own_figures", own_figures)
    return texts


@pytest.mark.parametrize(
    ("min_count", "expected"),
    [
        # No word of the training text is unknown, so sentences with an unknown word do not count.
        (1, "the cat sat on a log </s>"),
        # "log" and "and" occur once, so the whole text counts.
        (2, "the cat sat on a <unk> </s> the <unk> sat </s> a dog <unk> a <unk> <unk> the cat on the mat </s>"),
    ],
)
def test_the_family_is_given_the_part_of_the_text_whose_perplexity_counts(
    text, valid, tmp_path, given, min_count, expected
):
    asked = ["preset=ngram", f"validation.file={valid}", f"vocabulary.min_count={min_count}"]

    trained = train([text], tmp_path / "model", read_settings(assignments=asked))

    assert given == [expected]
    assert open_bundle(Path(trained.published)).metrics()["own"] == {"tokens": len(expected.split())}


def test_a_family_without_figures_of_its_own_has_none(text, valid, tmp_path):
    trained = train(
        [text], tmp_path / "model", read_settings(assignments=["preset=ngram", f"validation.file={valid}"])
    )

    assert open_bundle(Path(trained.published)).metrics()["own"] is None


@pytest.mark.usefixtures("eagerly")
def test_a_mixture_has_the_figures_of_the_network_and_so_has_its_member(
    text, known, tmp_path, settings, monkeypatch
):
    monkeypatch.setattr("lmctl.families.lstm.LSTM.own_figures", lambda *_: {"a": 3.5, "b": 14.0})

    trained = train([text], tmp_path / "model", settings(f"validation.file={known}", "training.with_ngram=true"))

    bundle = open_bundle(Path(trained.published))
    network, ngrams = bundle.members()
    assert bundle.family == "mixture"
    assert bundle.metrics()["own"] == network.metrics()["own"] == {"a": 3.5, "b": 14.0}
    assert ngrams.metrics().get("own") is None
