"""Reading the state dict of PyTorch's word-language-model example from a safetensors file, without PyTorch.

The example is a module with the parts `encoder` (nn.Embedding), `rnn` (nn.LSTM) and `decoder` (nn.Linear). With
tied weights, encoder and decoder share one tensor, and a file may have it once, under either name:
safetensors.torch.save_model keeps the first of the names in sorted order, which is that of the decoder.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import numpy as np

from lmctl.errors import DataError
from lmctl.families.lstm.foreign.network import MISFITS, ForeignLayer, ForeignLSTM
from lmctl.text.file_types import HEAD_BYTES, SAFETENSORS, described, file_type

if TYPE_CHECKING:
    from pathlib import Path

    from lmctl.arrays import Float32Array

ENCODER, DECODER, DECODER_BIAS = "encoder.weight", "decoder.weight", "decoder.bias"
PARTS = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
# The other networks of the example, by the number of rows of weight_hh for each unit; an LSTM has 4.
OTHER_NETWORKS = {1: "a plain recurrent network", 3: "a GRU"}


def read_pytorch(path: Path) -> ForeignLSTM:
    """Read a model.

    Args:
        path: a safetensors file.

    Raises:
        DataError: the file is damaged, or its tensors are not those of the example with an LSTM.
        OSError: it cannot be read.
    """
    import safetensors
    import safetensors.numpy

    content = path.read_bytes()
    try:
        tensors = safetensors.numpy.load(content)
    except KeyError as error:
        raise DataError(
            f"{path}: has numbers of type {error.args[0]}, which NumPy lacks; expected F16, F32 or F64"
        ) from None
    except (safetensors.SafetensorError, ValueError, TypeError, AttributeError) as error:
        if file_type(content[:HEAD_BYTES]) is SAFETENSORS:
            raise DataError(f"{path}: damaged: {error}") from None
        raise DataError(
            f"{path}: {described(path)}expected a safetensors file with the state dict of a module: {error}"
        ) from None
    # The tensors are copies.
    del content
    for name, other in ((ENCODER, DECODER), (DECODER, ENCODER)):
        if name not in tensors and other in tensors:
            tensors[name] = tensors[other]
    count = sum(re.fullmatch(r"rnn\.weight_ih_l\d+", name) is not None for name in tensors)
    names = [ENCODER, DECODER, DECODER_BIAS]
    names += [f"rnn.{part}_l{layer}" for layer in range(count) for part in PARTS]
    missing = [name for name in names if name not in tensors]
    unexpected = sorted(tensors.keys() - set(names))
    if missing or unexpected or not count:
        name = (missing or unexpected or ["rnn.weight_ih_l0"])[0]
        reason = "not one of them" if unexpected and not missing else "missing"
        raise DataError(
            f"{path}: expected the tensors of PyTorch's word-language-model example; {name[:60]} is {reason}"
        )
    if any(values.dtype.kind != "f" for values in tensors.values()):
        raise DataError(f"{path}: expected floating-point tensors")
    # A number that is too large for float32 becomes infinite, which `check` refuses.
    with np.errstate(over="ignore"):
        arrays = {name: values.astype(np.float32) for name, values in tensors.items()}
    shape = arrays["rnn.weight_hh_l0"].shape
    for blocks, kind in OTHER_NETWORKS.items():
        if len(shape) == 2 and shape[0] == blocks * shape[1] > 0:
            raise DataError(f"{path}: the tensors of rnn are those of {kind}; expected an LSTM")
    encoder, decoder = arrays[ENCODER], arrays[DECODER]
    if np.array_equal(decoder, encoder):
        decoder = encoder
    layers = [_layer(path, [arrays[f"rnn.{part}_l{layer}"] for part in PARTS]) for layer in range(count)]
    network = ForeignLSTM(encoder, layers, decoder, arrays[DECODER_BIAS])
    network.check(path)
    return network


def _layer(path: Path, parts: list[Float32Array]) -> ForeignLayer:
    """PyTorch has the gates in Keras's order, as rows, and two biases that it adds."""
    kernel, recurrent_kernel, *biases = parts
    if biases[0].shape != biases[1].shape:
        raise DataError(f"{path}: {MISFITS}")
    with np.errstate(over="ignore", invalid="ignore"):
        return ForeignLayer(kernel.T, recurrent_kernel.T, biases[0] + biases[1])
