"""The size of the configured network."""

from __future__ import annotations

from lmctl.config import read_settings
from lmctl.jobs.prepare import prepare
from lmctl.jobs.train.network_size import configured_parameters, configured_sizes

LSTM = ("model.family=lstm", "model.embedding_dim=3", "model.hidden_units=4", "model.layers=1", "model.tied=false")


def test_the_parameters_of_an_lstm_are_counted_by_hand(write, tmp_path):
    text = write("text.txt", "a b\nb a\n")
    config = read_settings(assignments=["preset=tiny", "validation.fraction=0", *LSTM]).resolve()
    corpus = prepare([text], tmp_path / "corpus", config)

    # <unk>, </s>, a, b.
    assert configured_sizes(corpus, config).vocabulary_size == 4
    # Word vectors; four gates, each with a weight for every input, every hidden unit and a bias; the output layer.
    assert configured_parameters(corpus, config) == 4 * 3 + 4 * 4 * (3 + 4 + 1) + 4 * (4 + 1)
