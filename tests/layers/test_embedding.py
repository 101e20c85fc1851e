import numpy as np
import pytest

from lmctl.layers.clusters import Cluster, one_cluster
from lmctl.layers.embedding import WordVectors, word_vector_shapes

CLUSTERS = [Cluster(words=2, width=2), Cluster(words=3, width=1)]


@pytest.fixture
def vectors():
    """Words 0 and 1 are in the first cluster; the vectors of 2, 3 and 4 are multiples of (10, -1)."""
    weights = {
        "embedding.0": np.array([[1.0, 2.0], [3.0, 4.0]], np.float32),
        "embedding.1": np.array([[5.0], [6.0], [7.0]], np.float32),
        "embedding.1.projection": np.array([[10.0, -1.0]], np.float32),
    }
    return WordVectors("embedding", CLUSTERS, weights)


def test_in_one_cluster_a_words_vector_is_its_row_of_the_table():
    table = np.array([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]], np.float32)
    vectors = WordVectors("embedding", one_cluster(3, 2), {"embedding": table})

    assert vectors(np.array([2, 0])).tolist() == [[5.0, 6.0], [1.0, 2.0]]


def test_a_frequent_words_vector_is_its_row_of_the_first_table(vectors):
    assert vectors(np.array([1, 0])).tolist() == [[3.0, 4.0], [1.0, 2.0]]


def test_a_rare_words_vector_is_its_row_times_its_clusters_projection(vectors):
    assert vectors(np.array([2, 4])).tolist() == [[50.0, -5.0], [70.0, -7.0]]


def test_vectors_come_in_the_order_and_the_shape_of_the_words(vectors):
    found = vectors(np.array([[3, 0, 1], [1, 4, 3]]))

    assert found.dtype == np.float32
    assert found.tolist() == [
        [[60.0, -6.0], [1.0, 2.0], [3.0, 4.0]],
        [[3.0, 4.0], [70.0, -7.0], [60.0, -6.0]],
    ]


def test_no_words_have_no_vectors(vectors):
    assert vectors(np.zeros((0, 3), dtype=np.int64)).shape == (0, 3, 2)


def test_each_token_is_in_the_cluster_whose_ids_it_is_among(vectors):
    assert vectors.cluster_of(np.array([[0, 1], [2, 4]])).tolist() == [[0, 0], [1, 1]]


def test_one_cluster_has_one_weight():
    assert word_vector_shapes("embedding", one_cluster(9, 4)) == {"embedding": (9, 4)}


def test_clusters_have_a_table_each_and_the_later_ones_a_projection():
    clusters = [Cluster(words=5, width=4), Cluster(words=3, width=2), Cluster(words=9, width=1)]

    assert word_vector_shapes("embedding", clusters) == {
        "embedding.0": (5, 4),
        "embedding.1": (3, 2),
        "embedding.1.projection": (2, 4),
        "embedding.2": (9, 1),
        "embedding.2.projection": (1, 4),
    }
