"""Tensors of a safetensors file, compared with those that the package safetensors reads and writes."""

import json
import math

import numpy as np
import pytest
import safetensors.numpy

from lmctl.errors import DataError
from lmctl.store.tensors import pieces_of, tensors_in

FLOAT = {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}


def file_of(header, data=b""):
    text = json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + data


DTYPES = (
    "float32",
    "float64",
    "float16",
    "int64",
    "int32",
    "int16",
    "int8",
    "uint64",
    "uint32",
    "uint16",
    "uint8",
    "bool",
)


@pytest.mark.parametrize("dtype", DTYPES)
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


def test_the_bytes_are_those_that_safetensors_writes():
    # In the order of neither names nor types, with a shape of each number of axes.
    tensors = {
        f"{dtype[::-1]}/{axes}": np.arange(math.prod(shape)).reshape(shape).astype(dtype)
        for dtype in DTYPES
        for axes, shape in enumerate([(), (3,), (2, 3), (2, 0, 3)])
    }
    names = {"": "empty", 'a"\\\n\x01\u00e9\U0001f600/': "hostile"}
    tensors |= {name: np.array([1, 2], np.int8) for name in names}

    for metadata in (None, {"figures": '{"a": "\\u00e9\\n\u00e9\t"}'}):
        assert b"".join(pieces_of(tensors, metadata)) == safetensors.numpy.save(tensors, metadata)
    assert b"".join(pieces_of({})) == safetensors.numpy.save({})


def test_a_tensor_of_other_byte_order_is_stored_as_little_endian():
    values = np.array([1, 2, 3], ">i4")

    read = tensors_in(b"".join(pieces_of({"a": values})), "weights")["a"]

    assert (read.tolist(), read.dtype) == ([1, 2, 3], np.dtype("<i4"))


def test_a_tensor_is_written_from_its_own_memory():
    tensors = {name: np.ones((3, 4), np.float32) for name in "abc"}

    _, *data = pieces_of(tensors)

    assert [
        np.shares_memory(np.frombuffer(piece, np.uint8), tensor)
        for piece, tensor in zip(data, tensors.values(), strict=True)
    ] == [True] * 3


def test_elements_that_no_reader_of_lmctl_knows_are_not_written():
    with pytest.raises(TypeError, match="tensor a has elements of type complex64"):
        list(pieces_of({"a": np.zeros(1, np.complex64)}))
