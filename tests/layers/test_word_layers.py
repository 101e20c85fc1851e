import pytest

from lmctl.errors import UsageError
from lmctl.layers.clusters import Cluster, choose_clusters, one_cluster
from lmctl.layers.word_layers import WordLayers, count_numbers, softmax_clusters

CLUSTERS = [Cluster(words=4, width=6), Cluster(words=3, width=3)]


def layers(clusters, *, tied=True, hidden_dim=6):
    return WordLayers(vocabulary_size=7, embedding_dim=6, hidden_dim=hidden_dim, tied=tied, clusters=clusters)


def test_a_full_softmax_of_its_own_has_a_table_and_a_bias():
    untied = layers(one_cluster(7, 5), tied=False, hidden_dim=5)

    assert untied.embedding_shapes() == {"embedding": (7, 6)}
    assert untied.softmax_shapes() == {"softmax.embedding": (7, 5), "softmax.bias": (7,)}


@pytest.mark.parametrize(
    ("hidden_dim", "projection"), [(6, {}), (8, {"softmax.projection": (8, 6)})], ids=["direct", "projected"]
)
def test_tied_the_softmax_has_no_table_and_a_projection_if_dimensions_differ(hidden_dim, projection):
    tied = layers(one_cluster(7, 6), hidden_dim=hidden_dim)

    assert tied.softmax_shapes() == {**projection, "softmax.bias": (7,)}


def test_tied_to_an_adaptive_softmax_the_embedding_is_in_the_same_clusters():
    tied = layers(CLUSTERS)

    assert tied.embedding_shapes() == {
        "embedding.0": (4, 6),
        "embedding.1": (3, 3),
        "embedding.1.projection": (3, 6),
    }
    assert tied.softmax_shapes() == {
        "softmax.bias": (7,),
        "softmax.clusters": (1, 6),
        "softmax.clusters.bias": (1,),
    }
    # 4 * 6 + 3 * 3 + 3 * 6, and 7 + 6 + 1.
    assert count_numbers(tied.embedding_shapes()) == 51
    assert count_numbers(tied.softmax_shapes()) == 14


@pytest.mark.parametrize(
    "clusters",
    [
        [],
        one_cluster(6, 6),
        one_cluster(7, 5),
        [Cluster(words=7, width=6), Cluster(words=0, width=3)],
        [Cluster(words=4, width=6), Cluster(words=3, width=0)],
    ],
)
def test_clusters_that_do_not_fit_are_refused(clusters):
    with pytest.raises(ValueError, match="clusters do not fit a vocabulary of 7 and vectors of 6"):
        layers(clusters).check()


@pytest.mark.parametrize(
    ("softmax", "words", "clusters"),
    [("auto", 4_999, 1), ("auto", 5_000, 4), ("full", 9_000, 1), ("adaptive", 3_000, 4), ("adaptive", 2_000, 1)],
)
def test_the_clusters_that_the_configuration_asks_for(softmax, words, clusters):
    counts = range(words, 0, -1)

    chosen = softmax_clusters(counts, softmax, 16)

    assert len(chosen) == clusters
    assert chosen == (choose_clusters(counts, 16) if clusters > 1 else one_cluster(words, 16))


def test_cutoffs_that_the_configuration_names():
    assert softmax_clusters(range(7, 0, -1), "auto", 16, "2, 4") == [
        Cluster(words=2, width=16),
        Cluster(words=2, width=8),
        Cluster(words=3, width=4),
    ]


@pytest.mark.parametrize(
    ("cutoffs", "softmax", "message"),
    [
        ("4,2", "auto", "model.cutoffs: expected rising numbers such as 2000,10000, got 4,2"),
        ("4,4", "adaptive", "model.cutoffs: expected rising numbers such as 2000,10000, got 4,4"),
        ("7", "auto", "model.cutoffs: 7; expected rising numbers below the size of the vocabulary, 7"),
        ("4", "full", "model.cutoffs: a full softmax has no clusters"),
    ],
)
def test_cutoffs_that_do_not_fit_are_refused(cutoffs, softmax, message):
    with pytest.raises(UsageError, match=message):
        softmax_clusters(range(7, 0, -1), softmax, 16, cutoffs)
