import numpy as np


def test_seeds_follow_from_the_networks_seed_and_no_two_are_the_same(cpu):
    from lmctl.layers.keras.initial_weights import InitialWeights

    first, other = InitialWeights(3, 0.1), InitialWeights(4, 0.1)

    assert [first.seed() for _ in range(4)] == [3000, 3001, 3002, 3003]
    assert other.seed() == 4000


def test_word_vectors_start_uniformly_within_the_scale(cpu):
    from lmctl.layers.keras.initial_weights import InitialWeights

    initial = InitialWeights(1, 0.25)
    drawn, more = (np.asarray(initial.uniform()((100, 50))) for _ in range(2))

    assert 0.24 < np.abs(drawn).max() <= 0.25
    assert drawn.tobytes() != more.tobytes()
