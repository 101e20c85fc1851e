import msgspec
import pytest

from lmctl import families
from lmctl.errors import UsageError
from lmctl.families.transformer.config import TransformerConfig
from lmctl.families.transformer.sizes import TransformerSizes
from lmctl.families.transformer.weights import weight_shapes
from lmctl.layers.attention import MOST_CONTEXT


def test_weight_shapes_of_one_layer(make_sizes):
    assert weight_shapes(make_sizes(layers=1)) == {
        "embedding": (9, 8),
        "transformer.0.attention.norm": (8,),
        "transformer.0.attention.queries_keys_values": (8, 24),
        "transformer.0.attention.output": (8, 8),
        "transformer.0.feedforward.norm": (8,),
        "transformer.0.feedforward.gates_units": (8, 20),
        "transformer.0.feedforward.output": (10, 8),
        "transformer.norm": (8,),
        "softmax.bias": (9,),
    }


def test_an_untied_network_has_an_output_embedding(make_sizes):
    assert weight_shapes(make_sizes(tied=False))["softmax.embedding"] == (9, 8)


def test_sizes_follow_from_the_configuration_and_the_word_counts():
    config = TransformerConfig(
        hidden_units=6, layers=3, heads=3, feedforward_units=7, context=11, positions="rotary"
    )

    sizes = TransformerSizes.of([5, 4, 3], config)

    assert (sizes.hidden_units, sizes.layers, sizes.heads, sizes.head_dim) == (6, 3, 3, 2)
    assert (sizes.feedforward_units, sizes.context, sizes.positions) == (7, 11, "rotary")
    assert (sizes.vocabulary_size, sizes.tied) == (3, True)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"heads": 3}, "model.heads: 3 does not divide hidden_units, 8"),
        ({"heads": 8, "positions": "rotary"}, "model.heads: 8 of 8 hidden_units"),
    ],
)
def test_heads_that_cannot_share_the_vectors_are_refused(changed, message, make_sizes):
    config = TransformerConfig(hidden_units=8, **changed)

    with pytest.raises(UsageError, match=message):
        families.find("transformer").check_config(config)
    with pytest.raises(ValueError, match="heads"):
        make_sizes(**changed)


def test_heads_of_an_odd_length_do_for_alibi(make_sizes):
    assert make_sizes(heads=8, positions="alibi").head_dim == 1


@pytest.mark.parametrize("changed", [{"context": 0}, {"context": MOST_CONTEXT + 1}, {"layers": 65}, {"heads": 0}])
def test_sizes_out_of_bounds_are_refused(make_sizes, changed):
    record = msgspec.to_builtins(make_sizes()) | changed

    with pytest.raises(msgspec.ValidationError):
        msgspec.convert(record, TransformerSizes)


def test_a_state_in_training_has_keys_and_values_of_every_layer(make_sizes):
    # Two layers, three positions before the one that is read, eight units; and the count of positions.
    assert families.find("transformer").state_numbers(make_sizes(context=4)) == 2 * 2 * 3 * 8 + 1
