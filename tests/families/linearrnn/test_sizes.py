import msgspec
import pytest

from lmctl.families.linearrnn import FAMILY
from lmctl.families.linearrnn.config import LinearRNNConfig
from lmctl.families.linearrnn.sizes import LinearRNNSizes
from lmctl.families.linearrnn.weights import weight_shapes


def test_the_sizes_that_a_configuration_asks_for():
    model = LinearRNNConfig(cell="mingru", embedding_dim=5, hidden_units=7, layers=3, tied=False)

    sizes = LinearRNNSizes.of(range(9, 0, -1), model)

    assert (sizes.cell, sizes.layers, sizes.widths, sizes.window) == ("mingru", 3, [5, 7, 7], 1)
    assert [(cluster.words, cluster.width) for cluster in sizes.clusters] == [(9, 7)]


@pytest.mark.parametrize(
    ("cell", "first", "second", "columns"),
    # Rows and columns of the first kernel, whose inputs are projected, and of the second.
    [("sru", (3, 16), (4, 12), 12), ("qrnn", (6, 12), (8, 12), 12), ("mingru", (3, 12), (4, 8), 8)],
)
def test_weight_shapes(make_sizes, cell, first, second, columns):
    assert weight_shapes(make_sizes(cell=cell)) == {
        "embedding": (9, 3),
        "linear.0.kernel": first,
        "linear.0.bias": first[1:],
        "linear.1.kernel": second,
        "linear.1.bias": (columns,),
        "softmax.embedding": (9, 4),
        "softmax.bias": (9,),
    }


def test_the_numbers_of_a_state(make_sizes):
    assert FAMILY.state_numbers(make_sizes()) == 2 * 4
    # The last inputs have three numbers and four.
    assert FAMILY.state_numbers(make_sizes(cell="qrnn")) == 2 * 4 + 3 + 4


def test_a_description_names_what_differs(make_sizes):
    assert FAMILY.describe(make_sizes(cell="qrnn")) == {
        "family": "linearrnn, 2 x 4 qrnn units, embedding 3",
        "softmax": "full",
    }
    assert FAMILY.describe(make_sizes(tied=True))["family"] == "linearrnn, 2 x 4 sru units, embedding 4, tied"


@pytest.mark.parametrize("change", [{"cell": "lstm"}, {"layers": 0}, {"hidden_units": 0}, {"clusters": []}])
def test_sizes_out_of_bounds_are_refused(make_sizes, change):
    document = msgspec.to_builtins(make_sizes()) | change

    with pytest.raises(msgspec.ValidationError):
        msgspec.convert(document, LinearRNNSizes)
