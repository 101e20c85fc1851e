import msgspec
import pytest

from lmctl.families.feedforward import FAMILY
from lmctl.families.feedforward.config import FeedForwardConfig
from lmctl.families.feedforward.sizes import FeedForwardSizes
from lmctl.families.feedforward.weights import weight_shapes


def test_the_sizes_that_a_configuration_asks_for():
    model = FeedForwardConfig(order=4, embedding_dim=5, hidden_units=7, direct_connections=False, tied=False)

    sizes = FeedForwardSizes.of(range(9, 0, -1), model)

    assert (sizes.order, sizes.context_words, sizes.direct_connections, sizes.tied) == (4, 3, False, False)
    assert [(cluster.words, cluster.width) for cluster in sizes.clusters] == [(9, 7)]


def test_weight_shapes(make_sizes):
    assert weight_shapes(make_sizes(order=4)) == {
        "embedding": (9, 3),
        "padding": (3,),
        "hidden.kernel": (9, 4),
        "hidden.bias": (4,),
        "direct.kernel": (9, 4),
        "softmax.embedding": (9, 4),
        "softmax.bias": (9,),
    }


def test_without_direct_connections_there_is_no_weight_of_theirs(make_sizes):
    shapes = weight_shapes(make_sizes(direct=False, tied=True))

    assert "direct.kernel" not in shapes
    # Tied, with 3 elements a word and 4 units, there is a projection.
    assert shapes["softmax.projection"] == (4, 3)


def test_a_description_names_what_differs(make_sizes):
    assert FAMILY.describe(make_sizes()) == {
        "family": "feedforward, order 3, 4 units, embedding 3, direct connections",
        "softmax": "full",
    }
    assert FAMILY.describe(make_sizes(direct=False, tied=True))["family"].endswith("embedding 3, tied")


@pytest.mark.parametrize("change", [{"order": 1}, {"order": 65}, {"hidden_units": 0}, {"clusters": []}])
def test_sizes_out_of_bounds_are_refused(make_sizes, change):
    document = msgspec.to_builtins(make_sizes()) | change

    with pytest.raises(msgspec.ValidationError):
        msgspec.convert(document, FeedForwardSizes)
