import msgspec
import pytest

from lmctl.families import find
from lmctl.families.vae.sizes import VAESizes
from lmctl.families.vae.weights import weight_shapes


def test_the_first_layer_of_the_decoder_reads_a_word_and_a_code(sizes):
    shapes = weight_shapes(sizes)

    assert shapes["decoder.0.kernel"] == (3 + 2, 16)
    assert shapes["decoder.1.kernel"] == (4, 16)
    assert shapes["encoder.kernel"] == (3, 20)
    assert shapes["code.kernel"] == (5, 4)


@pytest.mark.parametrize(("field", "value"), [("codes", 1025), ("codes", 0), ("code_dim", 65), ("layers", 0)])
def test_impossible_dimensions_are_refused(sizes, field, value):
    record = msgspec.to_builtins(sizes) | {field: value}

    with pytest.raises(msgspec.ValidationError, match=field):
        msgspec.convert(record, VAESizes)


def test_the_info_names_codes_and_encoder(sizes):
    assert find("vae").describe(sizes) == {
        "family": "vae, 2 x 4 units, embedding 3",
        "codes": "3 of length 2, encoder of 5 units",
        "softmax": "full",
    }
