"""Reads the tensors of a safetensors file as views of its content.

The package safetensors copies every tensor, which takes as long as reading the file. The format (its README,
section Format): the length of the header, uint64; the header, JSON: name -> element type, shape, first and last
place of the data; the data, without gaps. All numbers are little-endian.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
import numpy as np
from msgspec import Meta

from lmctl.errors import DataError
from lmctl.records import decode_record, shortened

if TYPE_CHECKING:
    from numpy.typing import NDArray

_LENGTH_BYTES = 8
_METADATA = "__metadata__"
# Of the types that lmctl never writes, those that have a name in NumPy, for the message about them.
_TYPES = {
    "F32": "<f4",
    "F64": "<f8",
    "F16": "<f2",
    "I64": "<i8",
    "I32": "<i4",
    "I16": "<i2",
    "I8": "i1",
    "U8": "u1",
}

MOST_AXES = 8
_LARGEST = 1 << 58
_Number = Annotated[int, Meta(ge=0, le=_LARGEST)]


class _Tensor(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The place of a tensor in the data, in bytes."""

    dtype: str
    shape: Annotated[list[_Number], Meta(max_length=MOST_AXES)]
    data_offsets: tuple[_Number, _Number]


def tensors_in(content: bytes, where: str) -> dict[str, NDArray[Any]]:
    """Return the tensors of a file by name; they cannot be written to.

    Args:
        content: of the file.
        where: name of the file in messages.

    Raises:
        DataError: the content is no safetensors file, its data have gaps or overlap, or a type is unknown.
    """
    start = _LENGTH_BYTES + int.from_bytes(content[:_LENGTH_BYTES], "little")
    if not _LENGTH_BYTES < start <= len(content):
        raise DataError(f"{where}: damaged; its header does not fit into {len(content)} bytes")
    header = decode_record(content[_LENGTH_BYTES:start], dict[str, msgspec.Raw], where)
    described = {
        name: decode_record(bytes(raw), _Tensor, where) for name, raw in header.items() if name != _METADATA
    }
    tensors, place = {}, 0
    for name, tensor in sorted(described.items(), key=lambda item: item[1].data_offsets):
        if tensor.dtype not in _TYPES:
            raise DataError(f"{where}: tensor {shortened(name)} has elements of type {shortened(tensor.dtype)}")
        dtype, (begin, end), number = np.dtype(_TYPES[tensor.dtype]), tensor.data_offsets, math.prod(tensor.shape)
        # An axis of length 0 may hide others that are too long for any array.
        too_long = math.prod(filter(None, tensor.shape)) > _LARGEST
        if begin != place or end - begin != number * dtype.itemsize or start + end > len(content) or too_long:
            raise DataError(f"{where}: damaged; tensor {shortened(name)} is not at the place that its shape wants")
        tensors[name] = np.frombuffer(content, dtype, number, start + begin).reshape(tensor.shape)
        place = end
    if start + place != len(content):
        raise DataError(f"{where}: damaged; {len(content) - start - place} bytes after the last tensor")
    return tensors
