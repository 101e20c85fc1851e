"""Bigrams without smoothing: the probability of a word is its share of the words that follow in the text."""

from __future__ import annotations

from lmctl.config import read_settings
from lmctl.jobs.train.run import train

ASKED = ("preset=ngram", "model.order=2", "model.smoothing=mle", "validation.fraction=0")


def publish_bigrams(folder, text, *assignments):
    """Train bigrams on a text, with further settings, and return the folder of the model."""
    (folder / "text.txt").write_text(text, encoding="utf-8")
    train([str(folder / "text.txt")], folder / "model", read_settings(assignments=[*ASKED, *assignments]))
    return folder / "model"
