"""State dicts of PyTorch's word-language-model example. The log probabilities are those of PyTorch 2.13.0."""

from __future__ import annotations

import numpy as np
import pytest
import safetensors.numpy

from lmctl.errors import DataError
from lmctl.families.lstm.foreign.pytorch_files import read_pytorch
from lmctl.families.lstm.runtime import LSTMLanguageModel

WORDS, WIDTH, UNITS, LAYERS = 5, 3, 3, 2
SHAPES = {"encoder.weight": (WORDS, WIDTH), "decoder.bias": (WORDS,)}
for layer in range(LAYERS):
    SHAPES |= {
        f"rnn.weight_ih_l{layer}": (4 * UNITS, UNITS if layer else WIDTH),
        f"rnn.weight_hh_l{layer}": (4 * UNITS, UNITS),
        f"rnn.bias_ih_l{layer}": (4 * UNITS,),
        f"rnn.bias_hh_l{layer}": (4 * UNITS,),
    }
UNTIED = SHAPES | {"decoder.weight": (WORDS, UNITS)}
# nn.Embedding, nn.LSTM(3, 3, 2) and nn.Linear with the tensors of `state_dict`, after the tokens 1, 4, 2.
TIED_LOG_PROBS = [-3.0613112, -0.98689365, -1.6070290, -2.2168276, -1.3056201]
UNTIED_LOG_PROBS = [-2.4631662, -1.3960357, -1.2545116, -1.6038468, -1.7096887]


def state_dict(shapes):
    """Tensors whose elements follow from their places."""
    return {
        name: np.sin(np.arange(np.prod(shape)) * (number + 1) * 0.7 + number).astype(np.float32).reshape(shape)
        for number, (name, shape) in enumerate(sorted(shapes.items()))
    }


@pytest.fixture
def save(tmp_path):
    """`save(tensors)`: the path of a safetensors file with them."""

    def write(tensors):
        path = tmp_path / "model.safetensors"
        path.write_bytes(safetensors.numpy.save(tensors))
        return path

    return write


def log_probs(path):
    sizes, config, weights = read_pytorch(path).in_own_form(np.arange(WORDS))
    assert config["tied"] == sizes.tied
    runtime = LSTMLanguageModel(sizes, weights)
    return runtime.log_probs(runtime.advance(runtime.null_state(1), np.array([[1], [4], [2]])))[0], sizes


def test_an_untied_model_has_the_log_probabilities_of_pytorch(save):
    found, sizes = log_probs(save(state_dict(UNTIED)))

    assert (sizes.layers, sizes.hidden_units, sizes.tied) == (2, 3, False)
    np.testing.assert_allclose(found, UNTIED_LOG_PROBS, rtol=0, atol=1e-6)


def test_a_tied_model_has_one_table_whether_the_file_has_it_once_or_twice(save):
    """save_model of safetensors 0.8.0 keeps the first name of a shared tensor, in sorted order: the decoder's."""
    tensors = state_dict(SHAPES)
    table = tensors.pop("encoder.weight")
    for names in (["decoder.weight"], ["encoder.weight"], ["decoder.weight", "encoder.weight"]):
        found, sizes = log_probs(save(tensors | dict.fromkeys(names, table)))

        assert sizes.tied
        np.testing.assert_allclose(found, TIED_LOG_PROBS, rtol=0, atol=1e-6)


def test_a_word_that_the_model_lacks_gets_next_to_nothing_and_the_others_keep_their_order(save):
    network = read_pytorch(save(state_dict(UNTIED)))
    sizes, _, weights = network.in_own_form(np.array([-1, 4, 0, 1, 2, 3]))
    runtime = LSTMLanguageModel(sizes, weights)

    found = runtime.log_probs(runtime.advance(runtime.null_state(1), np.array([[3], [1], [4]])))[0]

    assert found[0] < -200
    np.testing.assert_allclose(found[1:], np.array(UNTIED_LOG_PROBS)[[4, 0, 1, 2, 3]], rtol=0, atol=1e-6)


def test_half_precision_is_read(save):
    halves = {name: values.astype(np.float16) for name, values in state_dict(UNTIED).items()}

    np.testing.assert_allclose(log_probs(save(halves))[0], UNTIED_LOG_PROBS, rtol=0, atol=0.01)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"decoder.bias": None}, "decoder.bias is missing"),
        ({"rnn.bias_hh_l1": None}, r"rnn.bias_hh_l1 is missing"),
        ({"pos_encoder.pe": np.zeros((3, 1), np.float32)}, "pos_encoder.pe is not one of them"),
        ({"decoder.bias": np.zeros(4, np.float32)}, "the shapes of the weights do not fit each other"),
        ({"decoder.weight": None, "encoder.weight": None}, "encoder.weight is missing"),
        (
            {"rnn.weight_ih_l0_reverse": np.zeros((12, 3), np.float32)},
            "rnn.weight_ih_l0_reverse is not one of them",
        ),
        ({"encoder.weight": np.zeros(5, np.float32)}, "the weights are no matrices"),
        ({"rnn.weight_hh_l0": np.zeros((), np.float32)}, "the weights are no matrices"),
        ({"decoder.bias": np.zeros(5, np.int64)}, "expected floating-point tensors"),
        ({"rnn.weight_hh_l0": np.zeros((8, 2), np.float32)}, "the shapes of the weights do not fit each other"),
        ({"rnn.weight_hh_l0": np.zeros((13, 3), np.float32)}, "the shapes of the weights do not fit each other"),
        ({"rnn.weight_hh_l0": np.zeros(12, np.float32)}, "the weights are no matrices"),
        ({"rnn.bias_hh_l0": np.zeros(8, np.float32)}, "the shapes of the weights do not fit each other"),
        ({"rnn.bias_hh_l0": np.zeros(1, np.float32)}, "the shapes of the weights do not fit each other"),
        (
            {"rnn.bias_hh_l1": np.full(12, np.nan, np.float32)},
            "a weight is infinite, NaN or too large for float32",
        ),
        ({"decoder.bias": np.full(5, 1e300)}, "a weight is infinite, NaN or too large for float32"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, dict) else "",
)
def test_other_tensors_are_refused(save, change, message):
    tensors = state_dict(UNTIED) | change

    with pytest.raises(DataError, match=message):
        read_pytorch(save({name: values for name, values in tensors.items() if values is not None}))


@pytest.mark.parametrize(
    ("blocks", "message"),
    [
        (3, "the tensors of rnn are those of a GRU; expected an LSTM"),
        (1, "the tensors of rnn are those of a plain recurrent network; expected an LSTM"),
    ],
)
def test_the_other_networks_of_the_example_are_named(save, blocks, message):
    """nn.GRU and nn.RNN have tensors of the same names, with 3 blocks of rows and with 1."""
    tensors = {
        name: values[: blocks * UNITS] if name.startswith("rnn.") else values
        for name, values in state_dict(UNTIED).items()
    }

    with pytest.raises(DataError, match=message):
        read_pytorch(save(tensors))


def test_a_file_that_is_no_safetensors_file_is_refused(tmp_path):
    path = tmp_path / "model.safetensors"
    for content in (b"", b"PK\3\4", b"\\data\\\n" * 10):
        path.write_bytes(content)
        with pytest.raises(DataError, match="expected a safetensors file"):
            read_pytorch(path)


def test_a_safetensors_file_that_is_cut_is_damaged(tmp_path):
    path = tmp_path / "model.safetensors"
    path.write_bytes(safetensors.numpy.save(state_dict(UNTIED))[:-9])

    with pytest.raises(DataError, match=r"model\.safetensors: damaged: "):
        read_pytorch(path)


def test_numbers_that_numpy_lacks_are_refused_by_their_type(save):
    path = save({name: values.astype(np.float16) for name, values in state_dict(UNTIED).items()})
    content = path.read_bytes()
    end = 8 + int.from_bytes(content[:8], "little")
    # bfloat16 takes two bytes, too.
    header = content[8:end].replace(b'"F16"', b'"BF16"')
    path.write_bytes(len(header).to_bytes(8, "little") + header + content[end:])

    with pytest.raises(DataError, match="has numbers of type BF16, which NumPy lacks; expected F16, F32 or F64"):
        read_pytorch(path)
