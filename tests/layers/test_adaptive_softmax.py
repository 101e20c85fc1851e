import math

import numpy as np
import pytest

from lmctl.layers import softmax
from lmctl.layers.clusters import Cluster
from lmctl.layers.distributions import drawn_tokens
from lmctl.layers.embedding import WordVectors, word_vector_shapes
from lmctl.layers.softmax import AdaptiveSoftmax

LN_2, LN_3 = math.log(2.0), math.log(3.0)
# Ids 0 to 9, 10 to 17 and 18 to 29.
CLUSTERS = [Cluster(words=10, width=6), Cluster(words=8, width=3), Cluster(words=12, width=1)]


def make_softmax(clusters=CLUSTERS, *, seed=1, scale=1.0, rare=0.0, hidden_units=None, **given):
    """Random weights in steps of 1/2, so that many words are equally probable; `given` replaces some of them.

    `rare` is added to the biases of the clusters in the head.
    """
    generator = np.random.default_rng(seed)

    def draw(*shape):
        return np.float32(scale) * generator.integers(-2, 2, shape, endpoint=True).astype(np.float32) / 2

    tails, dim = len(clusters) - 1, clusters[0].width
    weights = {name: draw(*shape) for name, shape in word_vector_shapes("embedding", clusters).items()}
    weights |= {"bias": draw(sum(cluster.words for cluster in clusters))}
    weights |= {"clusters": draw(tails, dim), "cluster_bias": draw(tails) + np.float32(rare)}
    weights |= {name: np.array(weight, np.float32) for name, weight in given.items()}
    projection = None if hidden_units is None else draw(hidden_units, dim)
    vectors = WordVectors("embedding", clusters, weights)
    return AdaptiveSoftmax(vectors, weights["bias"], weights["clusters"], weights["cluster_bias"], projection)


def hidden_vectors(rows, width=6, seed=7):
    return np.random.default_rng(seed).integers(-2, 2, (rows, width), endpoint=True).astype(np.float32) / 2


def of_biases(bias, cluster_bias, words):
    """A softmax in clusters of these sizes. Its answer depends only on its biases, not on the hidden vector."""
    clusters = [Cluster(words=each, width=1) for each in words]
    return make_softmax(clusters, scale=0.0, bias=bias, cluster_bias=cluster_bias)


ONE = np.ones((1, 1), dtype=np.float32)


def test_a_rare_words_probability_is_its_clusters_times_its_own_within_it():
    layer = of_biases([LN_2, 0.0, LN_3, 0.0], [0.0], [2, 2])

    # The head has 2 : 1 for its words and 1 for the cluster, and the cluster 3 : 1.
    np.testing.assert_allclose(np.exp(layer.log_probs(ONE)), [[1 / 2, 1 / 4, 3 / 16, 1 / 16]], rtol=1e-6)


def test_a_cluster_reads_the_hidden_vector_through_its_projection():
    layer = make_softmax(
        [Cluster(words=1, width=2), Cluster(words=2, width=1)],
        scale=0.0,
        **{"embedding.1": [[LN_2], [0.0]], "embedding.1.projection": [[3.0, -1.0]]},
    )

    # Word 0 and the cluster have 1/2 each. (1, 2) is shortened to 3 - 2 = 1: the logits within are ln 2 and 0.
    found = np.exp(layer.log_probs(np.array([[1.0, 2.0]], np.float32)))
    np.testing.assert_allclose(found, [[1 / 2, 1 / 3, 1 / 6]], rtol=1e-6)


@pytest.mark.parametrize("hidden_units", [None, 4])
def test_each_row_sums_to_one_in_probability(hidden_units):
    layer = make_softmax(hidden_units=hidden_units)

    log_probs = layer.log_probs(hidden_vectors(7, hidden_units or 6)).astype(np.float64)

    np.testing.assert_allclose(np.exp(log_probs).sum(axis=1), np.ones(7), atol=1e-6)


@pytest.mark.parametrize("ranks", [False, True])
@pytest.mark.parametrize("hidden_units", [None, 4])
def test_score_is_log_probs_at_the_targets(hidden_units, ranks):
    layer, targets = make_softmax(hidden_units=hidden_units), np.random.default_rng(2).permutation(30)
    hidden = hidden_vectors(30, hidden_units or 6)

    log_probs, _ = layer.score(hidden, targets, ranks=ranks)

    np.testing.assert_allclose(log_probs, layer.log_probs(hidden)[np.arange(30), targets], atol=1e-5)
    assert log_probs.dtype == np.float64


@pytest.mark.parametrize("targets", [[0, 3, 3], [10, 17], [29]], ids=str)
def test_score_of_targets_in_one_cluster_is_log_probs_at_the_targets(targets):
    layer, hidden = make_softmax(), hidden_vectors(len(targets))

    log_probs, ranks = layer.score(hidden, np.array(targets), ranks=False)

    np.testing.assert_allclose(log_probs, layer.log_probs(hidden)[np.arange(len(targets)), targets], atol=1e-5)
    assert ranks is None


@pytest.mark.parametrize(
    ("target", "rank"),
    [
        (0, 1),
        (1, 3),  # 2/8, as the first word of the cluster
        (2, 3),
        (3, 4),
    ],
)
def test_rank_counts_ties_in_other_clusters_against_the_target(target, rank):
    # The head has 3 : 2 for its words and 3 for the cluster; the cluster 2 : 1.
    layer = of_biases([LN_3, LN_2, LN_2, 0.0], [LN_3], [2, 2])

    _, ranks = layer.score(ONE, np.array([target]), ranks=True)

    assert ranks.tolist() == [rank]


def test_without_ranks_a_cluster_that_no_target_is_in_is_not_computed():
    targets = np.array([0, 10, 17, 9])
    without = make_softmax(**{"embedding.2": np.full((12, 1), np.nan)})

    log_probs, _ = without.score(hidden_vectors(4), targets, ranks=False)

    np.testing.assert_array_equal(log_probs, make_softmax().score(hidden_vectors(4), targets, ranks=False)[0])


@pytest.mark.parametrize("at_once", [1, 30, 59, 61])
@pytest.mark.parametrize("ranks", [False, True])
def test_how_many_logits_are_held_at_once_changes_nothing(monkeypatch, at_once, ranks):
    layer, hidden, targets = make_softmax(), hidden_vectors(30), np.arange(30)
    log_probs, whole = layer.log_probs(hidden), layer.score(hidden, targets, ranks=ranks)

    monkeypatch.setattr(softmax, "LOGITS_AT_ONCE", at_once)
    monkeypatch.setattr(softmax, "LOGITS_OF_CLUSTER_AT_ONCE", at_once)
    parts = layer.score(hidden, targets, ranks=ranks)

    np.testing.assert_allclose(layer.log_probs(hidden), log_probs, atol=1e-6)
    np.testing.assert_allclose(parts[0], whole[0], atol=1e-6)
    np.testing.assert_array_equal(parts[1], whole[1])


@pytest.mark.parametrize("ranks", [False, True])
def test_nothing_to_score_gives_nothing(ranks):
    log_probs, _ = make_softmax().score(hidden_vectors(0), np.zeros(0, dtype=np.int64), ranks=ranks)

    assert log_probs.shape == (0,)


def sorted_log_probs(layer, hidden, k, allowed):
    """The answer of `top_k` for one context, from a full sort of the distribution."""
    (log_probs,) = layer.log_probs(hidden[None])
    ids = sorted(np.flatnonzero(allowed), key=lambda token_id: (-log_probs[token_id], token_id))[:k]
    return ids, log_probs[ids]


ALLOWED = {
    "all": np.full(30, True),
    "none": np.full(30, False),
    "not the head": np.arange(30) >= 10,
    "the head alone": np.arange(30) < 10,
    "the last cluster alone": np.arange(30) >= 18,
    "one word": np.arange(30) == 25,
    "every third": np.arange(30) % 3 == 0,
}


@pytest.mark.parametrize("allowed", ALLOWED.values(), ids=ALLOWED)
@pytest.mark.parametrize("k", [0, 1, 3, 10, 11, 29, 30, 40])
def test_top_k_is_the_beginning_of_a_full_sort(k, allowed):
    # Clusters that are almost never searched, and clusters that always are.
    for seed in range(12):
        layer = make_softmax(seed=seed, rare=(-6.0, -1.0, 0.0, 4.0)[seed % 4])
        hidden = hidden_vectors(3, seed=seed)

        ids, log_probs = layer.top_k(hidden, k, allowed)

        for row in range(3):
            expected, of_expected = sorted_log_probs(layer, hidden[row], k, allowed)
            assert ids[row].tolist() == expected
            np.testing.assert_array_equal(log_probs[row], of_expected)


def test_unless_told_otherwise_top_k_answers_with_all_words():
    layer, hidden = make_softmax(), hidden_vectors(2)

    for found, expected in zip(
        layer.top_k(hidden, 12, None), layer.top_k(hidden, 12, ALLOWED["all"]), strict=True
    ):
        np.testing.assert_array_equal(found, expected)


def test_of_equal_words_in_different_clusters_the_smaller_id_is_first():
    # Head and clusters have 1/4 each; clusters have one word.
    layer = of_biases([0.0] * 4, [0.0] * 2, [2, 1, 1])

    ids, log_probs = layer.top_k(ONE, 3, None)

    assert ids.tolist() == [[0, 1, 2]]
    np.testing.assert_allclose(log_probs, [[-2 * LN_2] * 3], rtol=1e-6)


@pytest.mark.parametrize("k", [1, 2, 3, 4])
def test_of_equal_words_the_smaller_id_is_first_though_its_cluster_is_less_probable(k):
    # 1/4 for the word of the head, 1/4 for the cluster of one word, 1/2 for that of two.
    layer = of_biases([0.0] * 4, [0.0, LN_2], [1, 1, 2])

    assert layer.top_k(ONE, k, None)[0].tolist() == [[0, 1, 2, 3][:k]]


@pytest.mark.parametrize("k", [1, 5, 10])
def test_clusters_less_probable_than_the_last_word_of_the_answer_are_not_computed(k):
    # A cluster's probability is below exp(-20) here; NaN among the candidates would spoil the answer.
    nans = {"embedding.1": np.full((8, 3), np.nan), "embedding.2": np.full((12, 1), np.nan)}
    layer = make_softmax(rare=-30.0, **nans)
    hidden = hidden_vectors(3)

    ids, log_probs = layer.top_k(hidden, k, None)

    expected = make_softmax(rare=-30.0).top_k(hidden, k, None)
    np.testing.assert_array_equal(ids, expected[0])
    np.testing.assert_array_equal(log_probs, expected[1])


@pytest.mark.parametrize(
    ("k", "computed"),
    [
        (2, [2]),  # after the more probable cluster the second best has 0.4, and the other cluster has 0.1
        (3, [2, 1]),  # but the third best has 0.05
        (5, [2, 1]),
    ],
)
def test_clusters_are_computed_from_the_most_probable_on_until_no_other_can_matter(monkeypatch, k, computed):
    # 0.4 for the head's word, 0.1 and 0.5 for the clusters; of the second, 0.45 and 0.05 for its words.
    layer = of_biases(np.log([0.4, 0.5, 0.5, 0.9, 0.1]), np.log([0.1, 0.5]), [1, 2, 2])
    clusters = []
    logits_within = layer._logits_within

    def counted(projected, cluster):
        clusters.append(cluster)
        return logits_within(projected, cluster)

    monkeypatch.setattr(layer, "_logits_within", counted)
    layer.top_k(ONE, k, None)

    assert clusters == computed


def test_a_word_that_cannot_come_is_the_last():
    layer = of_biases([0.0, 0.0, 0.0, -np.inf], [0.0], [2, 2])

    ids, log_probs = layer.top_k(ONE, 4, None)

    assert ids.tolist() == [[0, 1, 2, 3]]
    assert log_probs[0, 3] == -np.inf


@pytest.mark.parametrize("excluded", [0, 3, 12])
def test_words_are_drawn_as_from_the_whole_distribution(excluded):
    layer = make_softmax()
    hidden = np.repeat(hidden_vectors(4), 50, axis=0)
    # No place is a border between two words, where rounding decides.
    uniforms = np.tile((np.arange(50) + 0.5) / 50, 4)

    ids, log_probs = layer.sample(hidden, uniforms, excluded)

    whole = layer.log_probs(hidden)
    np.testing.assert_array_equal(ids, drawn_tokens(whole, uniforms, excluded)[0])
    np.testing.assert_allclose(log_probs, whole[np.arange(200), ids], atol=1e-5)
    assert {0 if word < 10 else 1 if word < 18 else 2 for word in ids.tolist()} == {0, 1, 2}
    assert excluded not in ids


def test_a_cluster_from_which_no_word_is_drawn_is_not_computed(monkeypatch):
    layer = of_biases([0.0, 0.0, 0.0, 0.0], [0.0], [2, 2])
    monkeypatch.setattr(layer, "_logits_within", None)

    # Word 1 has the first half of the line, the cluster the second.
    assert layer.sample(ONE, np.array([0.49]), excluded=0)[0].tolist() == [1]
    with pytest.raises(TypeError):
        layer.sample(ONE, np.array([0.51]), excluded=0)
