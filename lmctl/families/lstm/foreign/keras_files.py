"""Reading LSTM language models from Keras's files, .keras and .h5, without Keras.

Nothing in a file is run. The configuration is JSON, of which only names and numbers are used; a layer of another
kind than those of a language model is refused. Weights are plain datasets of HDF5; links are refused.
"""

from __future__ import annotations

import importlib.util
import io
import json
import lzma
import zipfile
import zlib
from collections import Counter
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from lmctl.errors import DataError, MissingExtraError
from lmctl.families.lstm.foreign.network import ForeignLayer, ForeignLSTM
from lmctl.text.file_types import described

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from lmctl.arrays import Float32Array

CONFIG_FILE, WEIGHTS_FILE = "config.json", "model.weights.h5"
# Bounds for files of unknown sources.
MOST_CONFIG_BYTES = 16 << 20
MOST_WEIGHTS_BYTES = 8 << 30
# Layers without weights that do nothing when a model is used.
WITHOUT_EFFECT = {"InputLayer", "Dropout", "SpatialDropout1D"}
# The values with which a layer computes what lmctl's does.
EXPECTED = {
    "LSTM": {"activation": "tanh", "recurrent_activation": "sigmoid", "use_bias": True, "go_backwards": False},
    "Dense": {"activation": "softmax", "use_bias": True},
    "Embedding": {},
}
# The number of its weights.
WEIGHTS = {"Embedding": 1, "LSTM": 3, "Dense": 2}
# Exceptions of zipfile and json for bytes that they cannot decode: a RuntimeError is an encrypted file, or nesting
# that is too deep.
UNREADABLE = (zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, OSError, RuntimeError)
ZIP_START, HDF5_START = b"PK\x03\x04", b"\x89HDF\r\n\x1a\n"


class _Layer(NamedTuple):
    """A layer with weights: its kind, and its weights in the order of Keras."""

    kind: str
    weights: Sequence[Float32Array]


def read_keras(path: Path) -> ForeignLSTM:
    """Read a model.

    Args:
        path: a .keras or .h5 file.

    Raises:
        DataError: the file is damaged, of another format, or its model is not Embedding, LSTM layers and Dense
            with a softmax.
        OSError: it cannot be read.
    """
    with path.open("rb") as file:
        start = file.read(8)
    if start.startswith(ZIP_START):
        layers = _read_zip(path)
    elif start == HDF5_START:
        layers = _read_hdf5(path)
    else:
        raise DataError(f"{path}: {described(path)}expected a .keras or .h5 file of Keras")
    kinds = [layer.kind for layer in layers]
    if kinds != ["Embedding", *["LSTM"] * (len(kinds) - 2), "Dense"] or len(kinds) < 3:
        raise DataError(f"{path}: expected the layers Embedding, LSTM, Dense, got {', '.join(kinds) or 'none'}")
    for layer in layers:
        count, expected = len(layer.weights), WEIGHTS[layer.kind]
        if count != expected:
            raise DataError(
                f"{path}: damaged; layer {layer.kind}: number of weights: expected {expected}, got {count}"
            )
    kernel, bias = layers[-1].weights
    network = ForeignLSTM(
        layers[0].weights[0], [ForeignLayer(*layer.weights) for layer in layers[1:-1]], kernel.T, bias
    )
    network.check(path)
    return network


def _read_zip(path: Path) -> list[_Layer]:
    try:
        with zipfile.ZipFile(path) as archive:
            config = json.loads(_content(archive, CONFIG_FILE, MOST_CONFIG_BYTES))
            weights = _content(archive, WEIGHTS_FILE, MOST_WEIGHTS_BYTES)
    except (*UNREADABLE, KeyError, ValueError) as error:
        raise DataError(f"{path}: damaged, or not a .keras file of Keras 3: {error}") from None

    def read(group: Any, name: str, kind: str) -> list[Float32Array]:
        place = f"layers/{name}/cell/vars" if kind == "LSTM" else f"layers/{name}/vars"
        variables = group[place]
        return [_dataset(variables, str(number)) for number in range(len(variables))]

    return _layers(path, config, io.BytesIO(weights), read)


def _content(archive: zipfile.ZipFile, name: str, most: int) -> bytes:
    size = archive.getinfo(name).file_size
    if size > most:
        raise ValueError(f"{name} has {size:,} bytes; at most {most:,} are read")
    return archive.read(name)


def _read_hdf5(path: Path) -> list[_Layer]:
    def read(group: Any, name: str, _kind: str) -> list[Float32Array]:
        of_layer = group["model_weights"][name]
        return [_dataset(of_layer, _text(each)) for each in of_layer.attrs["weight_names"]]

    return _layers(path, None, path, read)


def _layers(
    path: Path, config: Any, weights: Any, read: Callable[[Any, str, str], list[Float32Array]]
) -> list[_Layer]:
    """The layers with weights, in the order of the configuration.

    Args:
        path: of the file, for messages.
        config: the configuration; None: the HDF5 file has it.
        weights: the HDF5 file.
        read: reads the weights of a layer from the HDF5 file, by its name and kind.
    """
    if importlib.util.find_spec("h5py") is None:
        raise MissingExtraError(
            f"{path}: reading it needs h5py, which is not installed: pip install 'lmctl[hdf5]'"
        )
    import h5py

    try:
        with h5py.File(weights, "r") as file:
            document = json.loads(_text(file.attrs["model_config"])) if config is None else config
            found, of_kind = [], Counter[str]()
            for layer in document["config"]["layers"]:
                kind = layer["class_name"]
                number = of_kind[kind]
                of_kind[kind] += 1
                if kind in WITHOUT_EFFECT:
                    continue
                _check_layer(path, kind, layer["config"])
                # Keras 3.15.1 stores weights by the kinds of layers, not by their names: lstm, lstm_1.
                name = layer["config"]["name"] if config is None else kind.lower() + f"_{number}" * (number > 0)
                found.append(_Layer(kind, read(file, name, kind)))
            return found
    except (KeyError, TypeError, ValueError, AttributeError, RuntimeError, OSError) as error:
        raise DataError(f"{path}: damaged, or not a language model of Keras: {error}") from None


def _check_layer(path: Path, kind: str, config: dict[str, Any]) -> None:
    if kind not in EXPECTED:
        raise DataError(f"{path}: layer {kind[:40]}: expected Embedding, LSTM, Dense and Dropout alone")
    for key, expected in EXPECTED[kind].items():
        if config[key] != expected:
            raise DataError(f"{path}: layer {kind}: expected {key} {expected}, got {str(config[key])[:40]}")


def _dataset(group: Any, name: str) -> Float32Array:
    """A dataset as float32. The group has it by a name that may have slashes."""
    import h5py

    *folders, last = name.split("/")
    for folder in (*folders, last):
        if not isinstance(group.get(folder, getlink=True), h5py.HardLink):
            raise KeyError(f"{name} is missing, or a link to another place")
        group = group[folder]
    if not isinstance(group, h5py.Dataset) or group.is_virtual or group.external:
        raise KeyError(f"{name} is not stored in the file itself")
    if group.dtype.kind != "f" or group.size * 4 > MOST_WEIGHTS_BYTES:
        raise ValueError(f"{name} has {group.dtype} {group.shape}")
    return np.asarray(group, dtype=np.float32)


def _text(value: Any) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)
