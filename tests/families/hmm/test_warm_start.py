import numpy as np

from lmctl.families.hmm.sizes import HMMSizes, weight_shapes
from lmctl.families.hmm.warm_start import carry_over


def make_sizes(vocabulary_size, blocks):
    return HMMSizes(vocabulary_size=vocabulary_size, blocks=blocks, states_per_block=2, embedding_dim=3)


def carried(old_ids, blocks, number=2):
    """Random weights for words in these blocks, of this number, carried over to another vocabulary."""
    old, new = make_sizes(len(blocks), number), make_sizes(len(old_ids), number)
    generator = np.random.default_rng(3)
    weights = {name: generator.normal(size=shape).astype(np.float32) for name, shape in weight_shapes(old).items()}
    weights["words.block"] = np.array(blocks, dtype=np.float32)
    after, counts = carry_over(weights, old, new, np.array(old_ids))
    assert {name: weight.shape for name, weight in after.items()} == weight_shapes(new)
    return weights, after, counts


def test_states_stay_as_they_are_and_words_take_their_rows_along():
    weights, after, counts = carried([1, 0, 3], [0, 1, 0, 1])

    for name in ("source", "source.kernel", "target", "target.bias", "emission", "emission.kernel"):
        np.testing.assert_array_equal(after[name], weights[name])
    for name in ("words", "words.bias", "words.block"):
        np.testing.assert_array_equal(after[name], weights[name][[1, 0, 3]])
    assert (counts.kept, counts.moved, counts.new, counts.gone) == (3, 0, 0, 1)


def test_a_new_word_is_the_mean_of_the_block_with_the_fewest_words():
    weights, after, counts = carried([0, 1, -1, 3], [0, 1, 0, 1])

    assert after["words.block"].tolist() == [0, 1, 0, 1]
    np.testing.assert_allclose(after["words"][2], weights["words"][0], rtol=1e-6)
    assert (counts.kept, counts.moved, counts.new, counts.gone) == (3, 0, 1, 1)

    weights, after, counts = carried([0, 1, 2, 3, -1, -1], [0, 1, 1, 1])

    assert after["words.block"].tolist() == [0, 1, 1, 1, 0, 0]

    weights, after, counts = carried([0, 1, -1, 2, 3], [0, 1, 0, 1][::-1])

    assert after["words.block"].tolist() == [1, 0, 0, 1, 0]
    np.testing.assert_allclose(after["words"][2], weights["words"][[1, 3]].mean(axis=0), rtol=1e-6)
    np.testing.assert_allclose(after["words.bias"][2], weights["words.bias"][[1, 3]].mean(), rtol=1e-6)
    assert (counts.kept, counts.moved, counts.new, counts.gone) == (4, 0, 1, 0)


def test_known_words_enter_their_blocks_before_new_words_do():
    # Of 2 words, a block has 2 at most; all 3 that are gone leave no room for more.
    _, after, counts = carried([0, 1, 2], [0, 0, 0, 0, 1, 1])

    # 3 words in 2 blocks: 3 at most.
    assert after["words.block"].tolist() == [0, 0, 0]
    assert counts.moved == 0

    _, after, counts = carried([0, -1, -1, -1, -1], [0, 1])
    # 5 words in 2 blocks: 5 at most.
    assert after["words.block"].tolist() == [0, 1, 0, 1, 0]


def test_a_word_that_does_not_fit_into_its_block_moves_and_keeps_its_row():
    # Of 3 words in 3 blocks, a block has 2 at most. The third word moves to the first of the empty blocks.
    weights, after, counts = carried([0, 1, 2], [0, 0, 0, 0, 1, 2], number=3)

    assert after["words.block"].tolist() == [0, 0, 1]
    np.testing.assert_array_equal(after["words"], weights["words"][:3])
    assert (counts.kept, counts.moved, counts.new, counts.gone) == (2, 1, 0, 3)
