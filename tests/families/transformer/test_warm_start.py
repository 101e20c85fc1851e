import numpy as np

from lmctl import families
from lmctl.families.transformer.runtime import TransformerLanguageModel
from lmctl.families.transformer.weights import inner_weight_shapes


def test_words_take_their_vectors_along_and_layers_stay_as_they_are(make_sizes, make_weights):
    old, new = make_sizes(vocabulary_size=9), make_sizes(vocabulary_size=10)
    weights = make_weights(old)
    # Two words change places, word 8 is gone, and the last two are new.
    old_ids = np.array([0, 1, 3, 2, 4, 5, 6, 7, -1, -1])

    carried, rows = families.find("transformer").carry_over(weights, old, new, old_ids)

    for name in inner_weight_shapes(old):
        np.testing.assert_array_equal(carried[name], weights[name])
    np.testing.assert_array_equal(carried["embedding"][:8], weights["embedding"][old_ids[:8]])
    assert (rows.kept, rows.moved, rows.new, rows.gone) == (8, 0, 2, 1)
    before, after = TransformerLanguageModel(old, weights), TransformerLanguageModel(new, carried)
    then = before.advance(before.null_state(1), np.array([[3], [2], [7]]))
    now = after.advance(after.null_state(1), np.array([[2], [3], [7]]))
    np.testing.assert_allclose(after.features(now), before.features(then), atol=1e-6)


def test_all_sizes_but_those_of_the_vocabulary_are_inherited(make_sizes):
    inherited = set(families.find("transformer").inherited_sizes)

    assert inherited == set(make_sizes().__struct_fields__) - {"vocabulary_size", "clusters"}
