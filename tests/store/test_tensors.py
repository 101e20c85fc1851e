"""Tensors of a safetensors file, compared with those that the package safetensors reads."""

import json

import numpy as np
import pytest
import safetensors.numpy

from lmctl.errors import DataError
from lmctl.store.tensors import tensors_in

FLOAT = {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}


def file_of(header, data=b""):
    text = json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + data


@pytest.mark.parametrize("dtype", ["float32", "float64", "float16", "int64", "int32", "int16", "int8", "uint8"])
def test_tensors_are_those_that_safetensors_reads(dtype):
    numbers = np.arange(6).astype(dtype)
    content = safetensors.numpy.save(
        {"b": numbers.reshape(2, 3), "a": numbers[:1], "scalar": np.array(3, dtype), "none": numbers[:0]},
        metadata={"by": "a test"},
    )

    read, expected = tensors_in(content, "weights"), safetensors.numpy.load(content)

    assert read.keys() == expected.keys()
    for name, tensor in expected.items():
        np.testing.assert_array_equal(read[name], tensor, strict=True)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\x02\0\0\0\0\0\0",
        bytes(8),
        (3).to_bytes(8, "little") + b"{}",
        (1 << 63).to_bytes(8, "little") + b"{}",
        (2).to_bytes(8, "little") + b"[]",
        (2).to_bytes(8, "little") + b"{}1",
        (1).to_bytes(8, "little") + b"\xff",
        file_of({"a": FLOAT}, bytes(3)),
        file_of({"a": FLOAT}, bytes(5)),
        file_of({"a": FLOAT | {"data_offsets": [4, 8]}}, bytes(8)),
        file_of({"a": FLOAT | {"data_offsets": [4, 0]}}, bytes(4)),
        file_of({"a": FLOAT | {"shape": [2]}}, bytes(4)),
        file_of({"a": FLOAT | {"shape": [-1]}}, bytes(4)),
        file_of({"a": FLOAT | {"shape": [1 << 32, 1 << 32]}}, bytes(4)),
        file_of({"a": FLOAT | {"shape": [0, 1 << 62], "data_offsets": [0, 0]}}),
        file_of({"a": FLOAT | {"dtype": "F33"}}, bytes(4)),
        file_of({"a": FLOAT, "b": FLOAT}, bytes(4)),
        file_of({"a": FLOAT, "b": FLOAT | {"data_offsets": [2, 6]}}, bytes(6)),
        file_of({"a": {"dtype": "F32"}}),
        file_of({"a": 1}),
    ],
)
def test_a_damaged_file_is_refused_as_by_safetensors(content):
    with pytest.raises((safetensors.SafetensorError, ValueError, KeyError)):
        safetensors.numpy.load(content)

    with pytest.raises(DataError, match=r"^weights: ") as caught:
        tensors_in(content, "weights")

    assert "\n" not in str(caught.value)
