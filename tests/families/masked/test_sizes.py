import pytest

from lmctl import families
from lmctl.errors import UsageError
from lmctl.families.masked.config import MaskedConfig
from lmctl.families.masked.sizes import MaskedSizes
from lmctl.families.masked.weights import weight_shapes


def test_weight_shapes_of_one_layer(make_sizes):
    assert weight_shapes(make_sizes(layers=1)) == {
        "embedding": (9, 8),
        "masked.mask": (1, 8),
        "masked.0.attention.norm": (8,),
        "masked.0.attention.queries_keys_values": (8, 24),
        "masked.0.attention.output": (8, 8),
        "masked.0.feedforward.norm": (8,),
        "masked.0.feedforward.gates_units": (8, 20),
        "masked.0.feedforward.output": (10, 8),
        "masked.norm": (8,),
        "softmax.bias": (9,),
    }


def test_sizes_follow_from_the_configuration_and_the_word_counts():
    config = MaskedConfig(hidden_units=12, layers=3, heads=3, feedforward_units=7, context=11)

    sizes = MaskedSizes.of([5, 4, 3], config)

    assert (sizes.hidden_units, sizes.layers, sizes.heads, sizes.head_dim) == (12, 3, 3, 4)
    assert (sizes.feedforward_units, sizes.context, sizes.vocabulary_size, sizes.tied) == (7, 11, 3, True)


@pytest.mark.parametrize(
    ("heads", "message"),
    [
        (3, "model.heads: 3 does not divide hidden_units, 8"),
        (8, "model.heads: 8 of 8 hidden_units have an odd length"),
    ],
)
def test_heads_that_cannot_share_the_vectors_are_refused(heads, message, make_sizes):
    with pytest.raises(UsageError, match=message):
        families.find("masked").check_config(MaskedConfig(hidden_units=8, heads=heads))
    with pytest.raises(ValueError, match="heads"):
        make_sizes(heads=heads)
