"""Reads and writes safetensors files without copies of their tensors.

The package safetensors copies every tensor, which takes as long as reading the file, and several times its memory.
Here a reader has views of the file's content, and a writer has one piece at a time. The format (the package's
README, section Format): the length of the header, uint64; the header, JSON: name -> element type, shape, first and
last place of the data; the data, without gaps. All numbers are little-endian.
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
    from collections.abc import Iterator, Mapping

    from numpy.typing import NDArray

_LENGTH_BYTES = 8
_METADATA = "__metadata__"
# The types that have a name in NumPy. The package stores tensors of the first type first, so that each begins at a
# multiple of the size of its elements.
_TYPES = {
    "U64": "<u8",
    "I64": "<i8",
    "F64": "<f8",
    "F32": "<f4",
    "U32": "<u4",
    "I32": "<i4",
    "F16": "<f2",
    "U16": "<u2",
    "I16": "<i2",
    "I8": "i1",
    "U8": "u1",
    "BOOL": "?",
}
_NAMES = {np.dtype(dtype): name for name, dtype in _TYPES.items()}

MOST_AXES = 8
_LARGEST = 1 << 58
_Number = Annotated[int, Meta(ge=0, le=_LARGEST)]


class _Tensor(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The place of a tensor in the data, in bytes."""

    dtype: str
    shape: Annotated[list[_Number], Meta(max_length=MOST_AXES)]
    data_offsets: tuple[_Number, _Number]


def tensors_in(content: bytes | memoryview, where: str) -> dict[str, NDArray[Any]]:
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
    header = decode_record(bytes(content[_LENGTH_BYTES:start]), dict[str, msgspec.Raw], where)
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


def pieces_of(
    tensors: Mapping[str, NDArray[Any]], metadata: Mapping[str, str] | None = None
) -> Iterator[bytes | memoryview]:
    """Yield the content of a file in pieces, the same bytes that the package safetensors would write.

    A piece is the header, or a tensor. A tensor whose elements lie in the order of C is not copied.

    Args:
        tensors: by name.
        metadata: texts to store in the header.

    Raises:
        TypeError: lmctl does not write elements of this type.
    """
    for name, array in tensors.items():
        if _stored(array) not in _NAMES:
            raise TypeError(f"tensor {name} has elements of type {array.dtype}")
    order = list(_NAMES)
    names = sorted(tensors, key=lambda name: (order.index(_stored(tensors[name])), name))
    header: dict[str, Any] = {} if metadata is None else {_METADATA: metadata}
    place = 0
    for name in names:
        array = tensors[name]
        header[name] = _Tensor(_NAMES[_stored(array)], list(array.shape), (place, place + array.nbytes))
        place += array.nbytes
    encoded = msgspec.json.encode(header)
    # Spaces, so that the data begin at a multiple of 8 bytes.
    encoded += b" " * (-len(encoded) % _LENGTH_BYTES)
    yield len(encoded).to_bytes(_LENGTH_BYTES, "little") + encoded
    for name in names:
        yield np.ascontiguousarray(tensors[name], _stored(tensors[name])).reshape(-1).view(np.uint8).data


def _stored(array: NDArray[Any]) -> np.dtype[Any]:
    """The type of the elements of an array in a file, little-endian."""
    return array.dtype.newbyteorder("<")
