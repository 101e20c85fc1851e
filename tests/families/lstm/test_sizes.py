import pytest

from lmctl.corpus.vocabulary import SPECIALS, Vocabulary
from lmctl.families.lstm.config import LSTMConfig
from lmctl.families.lstm.sizes import LSTMSizes
from lmctl.layers.clusters import choose_clusters


@pytest.mark.parametrize(
    ("softmax", "words", "tied", "clusters"),
    [
        ("auto", 4_998, True, 1),
        ("auto", 4_999, True, 4),
        ("full", 9_000, True, 1),
        ("adaptive", 3_000, True, 4),
        ("adaptive", 3_000, False, 4),
        ("adaptive", 1_000, True, 1),  # too few words for a tail
    ],
)
def test_the_softmax_that_is_asked_for(softmax, words, tied, clusters):
    vocabulary = Vocabulary([*SPECIALS, *map(str, range(words - 1))], range(words + 1, 0, -1))
    model = LSTMConfig(softmax=softmax, tied=tied, embedding_dim=16, hidden_units=24)

    sizes = LSTMSizes.of(vocabulary.counts, model)

    assert len(sizes.clusters) == clusters
    assert sizes.clusters[0].width == (16 if tied else 24)
    if clusters > 1:
        assert sizes.clusters == choose_clusters(vocabulary.counts, sizes.clusters[0].width)
