import numpy as np
import pytest
from random_networks import drawn

from lmctl.families.lstm.runtime import LSTMLanguageModel
from lmctl.families.lstm.sizes import LSTMSizes
from lmctl.families.lstm.weights import weight_shapes
from lmctl.layers import warm_start
from lmctl.layers.clusters import Cluster, one_cluster

CLUSTERS = [Cluster(words=4, width=6), Cluster(words=3, width=3), Cluster(words=5, width=2)]


def sizes_of(clusters, *, tied=True, hidden_units=6):
    words = sum(cluster.words for cluster in clusters)
    return LSTMSizes(
        vocabulary_size=words, embedding_dim=6, hidden_units=hidden_units, layers=1, tied=tied, clusters=clusters
    )


def random_weights(sizes, seed=1):
    return drawn(weight_shapes(sizes), seed=seed)


def carry_over(weights, old, new, old_ids):
    return warm_start.carry_over(weights, old.word_layers, new.word_layers, weight_shapes(new), old_ids)


def log_probs(sizes, weights, *words):
    model = LSTMLanguageModel(sizes, weights)
    return model.log_probs(model.advance(model.null_state(1), np.array(words)[:, None]))[0]


@pytest.mark.parametrize("tied", [True, False])
@pytest.mark.parametrize("clusters", [one_cluster(12, 6), CLUSTERS])
def test_the_same_vocabulary_has_the_same_weights_bit_for_bit(clusters, tied):
    sizes = sizes_of(clusters, tied=tied)
    weights = random_weights(sizes)

    carried, rows = carry_over(weights, sizes, sizes, np.arange(12))

    assert carried.keys() == weights.keys()
    assert all(carried[name].tobytes() == weights[name].tobytes() for name in weights)
    assert (rows.kept, rows.moved, rows.new, rows.gone) == (12, 0, 0, 0)


def test_words_whose_ids_have_moved_within_their_cluster_are_as_probable_as_before():
    sizes = sizes_of(CLUSTERS)
    weights = random_weights(sizes)
    old_ids = np.array([0, 1, 3, 2, 6, 5, 4, 7, 11, 9, 10, 8])

    carried, rows = carry_over(weights, sizes, sizes, old_ids)

    # Words 2 and 10 of the new vocabulary were words 3 and 10 of the old one.
    np.testing.assert_allclose(
        log_probs(sizes, carried, 2, 10), log_probs(sizes, weights, 3, 10)[old_ids], atol=1e-5
    )
    assert (rows.kept, rows.moved) == (12, 0)


def test_a_word_that_is_gone_leaves_the_others_their_odds():
    old, new = sizes_of(one_cluster(12, 6)), sizes_of(one_cluster(9, 6))
    weights = random_weights(old)
    old_ids = np.array([0, 1, 2, 4, 5, 7, 8, 10, 11])

    carried, rows = carry_over(weights, old, new, old_ids)

    before, after = log_probs(old, weights, 4)[old_ids], log_probs(new, carried, 3)
    np.testing.assert_allclose(after - after[0], before - before[0], atol=1e-4)
    assert (rows.kept, rows.new, rows.gone) == (9, 0, 3)


@pytest.mark.parametrize("tied", [True, False])
def test_a_word_that_the_old_network_could_not_predict_is_new_to_the_softmax(tied):
    sizes = sizes_of(one_cluster(4, 6), tied=tied)
    weights = random_weights(sizes)
    # As an import does with the end of a sentence that a network of Keras did not have.
    weights["softmax.bias"] = np.array([1, -230.26, 3, 5], dtype=np.float32)

    carried, rows = carry_over(weights, sizes, sizes, np.arange(4))

    np.testing.assert_array_equal(carried["softmax.bias"], np.float32([1, 3, 3, 5]))
    table = "embedding" if tied else "softmax.embedding"
    np.testing.assert_allclose(carried[table][1], weights[table][[0, 2, 3]].mean(axis=0), atol=1e-6)
    if not tied:
        # What reading it does stays: it may start a sentence from zeros.
        np.testing.assert_array_equal(carried["embedding"], weights["embedding"])
    assert (rows.kept, rows.moved, rows.new, rows.gone) == (3, 0, 1, 0)


def test_a_new_word_is_not_like_a_word_that_the_old_network_could_not_predict():
    """The vector that an import gives to such a word sets all states to zeros, and a share of it nearly does."""
    old, new = (sizes_of(one_cluster(words, 6), tied=False) for words in (4, 5))
    weights = random_weights(old)
    weights["softmax.bias"] = np.array([1, -230.26, 3, 5], dtype=np.float32)

    carried, _ = carry_over(weights, old, new, np.array([0, 1, 2, 3, -1]))

    for table in ("embedding", "softmax.embedding"):
        np.testing.assert_allclose(carried[table][4], weights[table][[0, 2, 3]].mean(axis=0), atol=1e-6)
    np.testing.assert_array_equal(carried["embedding"][:4], weights["embedding"])


def test_words_of_which_the_old_network_knows_none_start_as_the_mean_of_all():
    old, new = sizes_of(one_cluster(4, 6)), sizes_of(one_cluster(2, 6))
    weights = random_weights(old)

    carried, rows = carry_over(weights, old, new, np.array([-1, -1]))

    np.testing.assert_allclose(carried["embedding"], np.tile(weights["embedding"].mean(axis=0), (2, 1)), atol=1e-6)
    np.testing.assert_array_equal(carried["softmax.bias"], np.float32([0, 0]))
    assert (rows.kept, rows.new, rows.gone) == (0, 2, 4)


def test_a_new_word_starts_as_the_mean_of_its_cluster():
    old, new = sizes_of(one_cluster(4, 6)), sizes_of(one_cluster(5, 6))
    weights = random_weights(old)
    weights["softmax.bias"] = np.array([1, 2, 3, 6], dtype=np.float32)

    carried, rows = carry_over(weights, old, new, np.array([0, 1, 2, -1, 3]))

    np.testing.assert_allclose(carried["embedding"][3], weights["embedding"].mean(axis=0), atol=1e-6)
    assert carried["softmax.bias"].tolist() == [1, 2, 3, 3, 6]  # (1 + 2 + 3 + 6) / 4
    assert rows.new == 1


def test_a_word_that_rises_into_the_head_brings_the_vector_it_had():
    sizes = sizes_of(CLUSTERS)
    weights = random_weights(sizes)
    weights["softmax.bias"] = np.array([1, 1, 1, 9, 5, 2, 2, 0, 0, 0, 0, 0], dtype=np.float32)
    # Words 3 and 4, the last of the head and the first of the next cluster, have changed places.
    old_ids = np.array([0, 1, 2, 4, 3, 5, 6, 7, 8, 9, 10, 11])

    carried, rows = carry_over(weights, sizes, sizes, old_ids)

    risen = weights["embedding.1"][0] @ weights["embedding.1.projection"]
    np.testing.assert_allclose(carried["embedding.0"][3], risen, atol=1e-6)
    assert (rows.kept, rows.moved) == (10, 2)
    # The words that stayed have biases 1 in the head and 2 in the cluster: 5 - 2 + 1, and 9 - 1 + 2.
    assert carried["softmax.bias"][3:5].tolist() == [4.0, 10.0]


def test_a_word_that_falls_into_a_cluster_gets_the_closest_row_there():
    sizes = sizes_of(CLUSTERS)
    weights = random_weights(sizes)
    old_ids = np.array([0, 1, 2, 4, 3, 5, 6, 7, 8, 9, 10, 11])

    row = carry_over(weights, sizes, sizes, old_ids)[0]["embedding.1"][0]

    projection, wanted = weights["embedding.1.projection"].astype(np.float64), weights["embedding.0"][3]
    closest = np.linalg.lstsq(projection.T, wanted, rcond=None)[0]
    np.testing.assert_allclose(row, closest, atol=1e-5)


def test_a_new_cluster_keeps_as_much_as_its_width_allows():
    old, new = sizes_of(one_cluster(12, 6)), sizes_of(CLUSTERS)
    weights = random_weights(old)
    # The vectors of the new second cluster lie in a space of three dimensions, which is its width.
    weights["embedding"][4:7, 3:] = 0

    carried, rows = carry_over(weights, old, new, np.arange(12))

    vectors = carried["embedding.1"] @ carried["embedding.1.projection"]
    np.testing.assert_allclose(vectors, weights["embedding"][4:7], atol=1e-5)
    np.testing.assert_allclose(carried["softmax.clusters"][0], weights["embedding"][4:7].mean(axis=0), atol=1e-5)
    np.testing.assert_allclose(carried["softmax.clusters.bias"], np.log([3, 5]), rtol=1e-6)
    assert (rows.kept, rows.moved) == (4, 8)
    assert np.exp(log_probs(new, carried, 3)).sum() == pytest.approx(1, abs=1e-5)


def test_clusters_that_are_no_more_keep_every_vector():
    old, new = sizes_of(CLUSTERS), sizes_of(one_cluster(12, 6))
    weights = random_weights(old)

    carried, rows = carry_over(weights, old, new, np.arange(12))

    expected = [weights["embedding.0"]] + [
        weights[f"embedding.{index}"] @ weights[f"embedding.{index}.projection"] for index in (1, 2)
    ]
    np.testing.assert_allclose(carried["embedding"], np.concatenate(expected), atol=1e-6)
    assert (rows.kept, rows.moved) == (4, 8)


def test_a_cluster_of_new_words_alone_starts_as_the_mean_of_the_known():
    old, new = sizes_of(one_cluster(7, 6)), sizes_of(CLUSTERS)
    weights = random_weights(old)

    carried, rows = carry_over(weights, old, new, np.array([*range(7), *[-1] * 5]))

    assert rows.new == 5
    assert carried["embedding.2"].shape == (5, 2)
    mean = weights["embedding"].mean(axis=0)
    np.testing.assert_allclose(carried["embedding.2"] @ carried["embedding.2.projection"], [mean] * 5, atol=1e-5)


def test_weights_that_belong_to_no_word_are_copied():
    old = sizes_of(one_cluster(4, 6), hidden_units=5)
    weights = random_weights(old)

    carried, _ = carry_over(
        weights, old, sizes_of(one_cluster(6, 6), hidden_units=5), np.array([0, 1, 3, 2, -1, -1])
    )

    for name in ("lstm.0.kernel", "lstm.0.recurrent_kernel", "lstm.0.bias", "softmax.projection"):
        assert carried[name].tobytes() == weights[name].tobytes()


def test_rows_that_stay_in_their_cluster_are_numbered_within_its_table():
    sizes = sizes_of(CLUSTERS)
    # Word 2 is new, word 5 was in the head, and word 9 was in the second cluster.
    old_ids = np.array([0, 1, -1, 2, 4, 3, 6, 7, 8, 5, 11, 10])

    rows = warm_start.carried_rows(sizes.word_layers, sizes.word_layers, old_ids)

    assert {name: found.tolist() for name, found in rows.items()} == {
        "softmax.bias": old_ids.tolist(),
        "embedding.0": [0, 1, -1, 2],
        "embedding.1": [0, -1, 2],
        "embedding.2": [0, 1, -1, 4, 3],
    }


def test_tables_of_other_clusters_have_no_rows_of_the_older_ones():
    old, new = sizes_of(CLUSTERS, tied=False), sizes_of(one_cluster(12, 6), tied=False)

    rows = warm_start.carried_rows(old.word_layers, new.word_layers, np.arange(12))

    assert rows["softmax.embedding"].tolist() == [-1] * 12
    assert rows["softmax.bias"].tolist() == list(range(12))
