"""Tensors of a TensorFlow V2 checkpoint, read with numpy alone.

A checkpoint `P` is `P.index`, a LevelDB table without compression that says where each tensor lies, and
`P.data-00000-of-00001`, the bytes. The layout is that of LevelDB's `table_format.md` and of the messages
`BundleEntryProto` and `TensorShapeProto` in TensorFlow's sources.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from angen.errors import ModelError

_FOOTER_BYTES, _MAGIC = 48, 0xDB4775248B80FB57
_TRAILER_BYTES = 5  # kind of compression and checksum behind every block
_FLOAT32 = 1


def read_checkpoint(index: bytes, data: bytes) -> dict[str, NDArray[np.float32]]:
    """All float32 tensors by name.

    Args:
        index: The bytes of the `.index` file.
        data: The bytes of the single `.data-00000-of-00001` file.

    Raises:
        ModelError: If they are not such a checkpoint, or damaged.
    """
    try:
        return dict(_tensors(index, data))
    except (IndexError, ValueError, struct.error) as error:
        raise ModelError(
            f"The checkpoint cannot be read: {error}.", remedy="Fetch it again; it may be damaged."
        ) from error


def _tensors(index: bytes, data: bytes) -> Iterator[tuple[str, NDArray[np.float32]]]:
    if len(index) < _FOOTER_BYTES or struct.unpack("<Q", index[-8:])[0] != _MAGIC:
        raise ValueError("its index does not end as a table does")
    footer = index[-_FOOTER_BYTES:]
    _, at = _varint(footer, 0)
    _, at = _varint(footer, at)  # the handle of the meta index, which is empty
    offset, at = _varint(footer, at)
    size, _ = _varint(footer, at)
    for _, handle in _entries(index, offset, size):
        block, after = _varint(handle, 0)
        length, _ = _varint(handle, after)
        for key, value in _entries(index, block, length):
            tensor = _tensor(value, data) if key else None  # the empty key is the header
            if tensor is not None:
                yield key.decode(), tensor


def _entries(table: bytes, offset: int, size: int) -> Iterator[tuple[bytes, bytes]]:
    """Keys and values of a block. A key repeats the start of the one before it."""
    if table[offset + size] != 0:
        raise ValueError("its index is compressed")
    block = table[offset : offset + size]
    restarts = struct.unpack("<I", block[-4:])[0]
    at, end, key = 0, len(block) - 4 * (restarts + 1), b""
    while at < end:
        shared, at = _varint(block, at)
        fresh, at = _varint(block, at)
        length, at = _varint(block, at)
        key = key[:shared] + block[at : at + fresh]
        at += fresh
        yield key, block[at : at + length]
        at += length


def _tensor(entry: bytes, data: bytes) -> NDArray[np.float32] | None:
    """The tensor that a bundle entry describes; None if it is not of float32."""
    fields = dict(_fields(entry))
    if fields.get(1) != _FLOAT32:
        return None
    described = fields.get(2, b"")
    if not isinstance(described, bytes):
        raise ValueError("the shape of a tensor is not a message")
    shape = [
        _whole(dict(_fields(dimension)), 1)
        for number, dimension in _fields(described)
        if number == 2 and isinstance(dimension, bytes)
    ]
    offset, size = _whole(fields, 4), _whole(fields, 5)
    if size != 4 * math.prod(shape) or offset + size > len(data):
        raise ValueError("a tensor is longer than its file, or not of its shape")
    return np.frombuffer(data, "<f4", count=size // 4, offset=offset).reshape(shape)


def _whole(fields: dict[int, int | bytes], number: int) -> int:
    """A field that is a whole number, 0 where it is left out."""
    value = fields.get(number, 0)
    if not isinstance(value, int):
        raise ValueError("a number in its index is not one")
    return value


def _fields(message: bytes) -> Iterator[tuple[int, int | bytes]]:
    """Fields of a protobuf message: number and value."""
    at = 0
    while at < len(message):
        tag, at = _varint(message, at)
        number, kind = tag >> 3, tag & 7
        if kind == 0:
            value, at = _varint(message, at)
            yield number, value
        elif kind == 2:
            length, at = _varint(message, at)
            yield number, message[at : at + length]
            at += length
        elif kind in (1, 5):
            width = 8 if kind == 1 else 4
            yield number, message[at : at + width]
            at += width
        else:
            raise ValueError("an entry of its index is not a message")


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[at]
        value |= (byte & 127) << shift
        at, shift = at + 1, shift + 7
        if byte < 128:
            return value, at
