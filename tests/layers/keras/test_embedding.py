import numpy as np
import pytest

from lmctl.layers import embedding as runtime_embedding

CLUSTERS = ((4, 6), (3, 3), (5, 1))


def look_up(vectors, *token_ids):
    return np.asarray(vectors(np.array(token_ids, np.int32)))


def test_in_one_cluster_a_words_vector_is_its_row_of_the_table(make_vectors):
    vectors = make_vectors((5, 2))

    np.testing.assert_array_equal(look_up(vectors, 4, 0, 4), vectors.tables[0].numpy()[[4, 0, 4]])


def test_a_frequent_words_vector_is_its_row_of_the_first_table(make_vectors):
    vectors = make_vectors(*CLUSTERS)

    np.testing.assert_array_equal(look_up(vectors, 3, 0), vectors.tables[0].numpy()[[3, 0]])


@pytest.mark.parametrize(("token_id", "cluster", "row"), [(4, 1, 0), (6, 1, 2), (7, 2, 0), (11, 2, 4)])
def test_a_rare_words_vector_is_its_row_made_longer_by_its_clusters_projection(
    make_vectors, token_id, cluster, row
):
    vectors = make_vectors(*CLUSTERS)

    expected = vectors.tables[cluster].numpy()[row] @ vectors.projections[cluster - 1].numpy()

    np.testing.assert_allclose(look_up(vectors, token_id), expected[None], rtol=1e-5)


def test_vectors_come_in_the_order_of_the_words(make_vectors):
    vectors = make_vectors(*CLUSTERS)
    token_ids = np.random.default_rng(1).permutation(12)

    alone = [look_up(vectors, token_id)[0] for token_id in token_ids]

    np.testing.assert_allclose(look_up(vectors, *token_ids), alone, rtol=1e-5)


def test_each_token_is_in_the_cluster_whose_ids_it_is_among(make_vectors):
    clusters = make_vectors(*CLUSTERS).cluster_of(np.arange(12, dtype=np.int32))

    assert np.asarray(clusters).tolist() == [0] * 4 + [1] * 3 + [2] * 5


def test_the_gradient_of_a_table_has_the_rows_that_were_read_alone(make_vectors):
    import tensorflow as tf

    vectors = make_vectors(*CLUSTERS)
    tables = [table.value for table in vectors.tables]

    with tf.GradientTape() as tape:
        total = tf.reduce_sum(vectors(np.array([5, 0, 11, 5], np.int32)))
    gradients = tape.gradient(total, tables)

    assert [np.asarray(gradient.indices).tolist() for gradient in gradients] == [[0], [1, 1], [4]]


def test_a_projected_vector_starts_about_as_long_as_an_unprojected_one(make_vectors):
    vectors = make_vectors((1000, 400), (1000, 200), (1000, 20), scale=0.1)

    # 400 elements of standard deviation 0.1 have the length 0.1 * sqrt(400) = 2.
    lengths = np.linalg.norm(look_up(vectors, *range(3000)), axis=1).reshape(3, 1000)
    assert np.sqrt(np.mean(lengths**2, axis=1)) == pytest.approx([2.0, 2.0, 2.0], rel=0.05)


@pytest.mark.parametrize("clusters", [((7, 3),), CLUSTERS])
def test_the_weights_have_the_runtimes_names_and_shapes(make_vectors, clusters):
    vectors = make_vectors(*clusters)

    shapes = {name: tuple(weight.shape) for name, weight in vectors.named_weights().items()}

    assert shapes == runtime_embedding.word_vector_shapes("embedding", vectors.clusters)


def test_the_runtime_looks_up_the_same_vectors(make_vectors):
    vectors = make_vectors(*CLUSTERS)
    weights = {name: weight.numpy() for name, weight in vectors.named_weights().items()}

    runtime = runtime_embedding.WordVectors("embedding", vectors.clusters, weights)

    np.testing.assert_allclose(runtime(np.arange(12)), look_up(vectors, *range(12)), rtol=1e-5)


def test_a_table_that_a_softmax_reads_too_gives_the_same_vectors_and_is_not_copied(make_vectors):
    import tensorflow as tf

    own, shared = make_vectors(*CLUSTERS), make_vectors(*CLUSTERS, shared=True)

    assert look_up(shared, 5, 0, 11).tolist() == look_up(own, 5, 0, 11).tolist()
    for table in shared.tables:
        reads = [tf.convert_to_tensor(table) for _ in range(2)]
        places = {np.from_dlpack(read).__array_interface__["data"][0] for read in reads}
        assert len(places) == 1
