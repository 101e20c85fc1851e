import itertools

import numpy as np
import pytest

from lmctl.layers.clusters import Cluster, choose_clusters, first_ids, one_cluster

SIZES = [2001, 3052, 4000, 20_000]
COUNTS = {
    "equal": lambda size: [1] * size,
    # Zipf 1935: the word of rank r occurs in proportion to 1 / r.
    "by Zipf's law": lambda size: [10**9 // rank for rank in range(1, size + 1)],
    "a few words only": lambda size: [5] * 1500 + [0] * (size - 1500),
    "none": lambda size: [0] * size,
}


def multiplications_per_token(counts, dim, clusters):
    """The mean cost of a token: the head, and the cluster if the token is in one."""
    head, *tails = clusters
    of_head = (head.words + len(tails)) * head.width
    of_word = np.repeat(
        [0.0, *(dim * tail.width + tail.words * tail.width for tail in tails)],
        [cluster.words for cluster in clusters],
    )
    return of_head + np.average(of_word, weights=counts)


@pytest.mark.parametrize("counts", COUNTS.values(), ids=COUNTS)
@pytest.mark.parametrize("size", SIZES)
def test_the_clusters_share_the_vocabulary_among_them(size, counts):
    clusters = choose_clusters(counts(size), 64)

    assert sum(cluster.words for cluster in clusters) == size
    assert min(cluster.words for cluster in clusters) > 0


@pytest.mark.parametrize(
    ("dim", "widths"), [(256, [256, 128, 64, 32]), (10, [10, 5, 2, 1]), (3, [3, 1, 1, 1]), (1, [1, 1, 1, 1])]
)
def test_a_clusters_vectors_are_half_as_long_as_those_of_the_cluster_before(dim, widths):
    clusters = choose_clusters(COUNTS["by Zipf's law"](2500), dim)

    assert [cluster.width for cluster in clusters] == widths


@pytest.mark.parametrize("size", [2, 100, 1000, 2000])
def test_a_small_vocabulary_is_one_cluster(size):
    assert choose_clusters(COUNTS["by Zipf's law"](size), 64) == [Cluster(words=size, width=64)]


@pytest.mark.parametrize("size", [2001, 2442, 5000])
def test_a_larger_vocabulary_is_four_clusters(size):
    assert len(choose_clusters(COUNTS["by Zipf's law"](size), 64)) == 4


@pytest.mark.parametrize("dim", [16, 64, 650])
@pytest.mark.parametrize("name", ["equal", "by Zipf's law", "a few words only"])
@pytest.mark.parametrize("size", SIZES)
def test_no_other_choice_needs_fewer_multiplications(size, name, dim):
    counts = np.array(COUNTS[name](size), dtype=float)
    cutoffs = [cutoff for step in range(30) if (cutoff := round(1000 * 1.25**step)) < size]

    found = choose_clusters(counts, dim)

    every = [
        [
            Cluster(words=stop - first, width=dim // 2**index)
            for index, (first, stop) in enumerate(itertools.pairwise([0, *chosen, size]))
        ]
        for chosen in itertools.combinations(cutoffs, 3)
    ]
    assert found in every
    cheapest = min(multiplications_per_token(counts, dim, clusters) for clusters in every)
    assert multiplications_per_token(counts, dim, found) == pytest.approx(cheapest, rel=1e-12)


def test_one_cluster_has_all_words_at_full_length():
    assert one_cluster(9, 4) == [Cluster(words=9, width=4)]


def test_a_cluster_begins_where_the_one_before_ends():
    assert first_ids([Cluster(words=words, width=1) for words in (5, 3, 2)]) == [0, 5, 8]


def test_the_first_cluster_begins_with_the_first_word():
    assert first_ids(one_cluster(9, 4)) == [0]
