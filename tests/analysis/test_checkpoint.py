"""A checkpoint written here by the format's rules must be read back as it was."""

import struct

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from angen.analysis.checkpoint import read_checkpoint
from angen.errors import ModelError


def varint(value):
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    return bytes([*out, value])


def field(number, kind, payload):
    return varint(number << 3 | kind) + payload


def block(entries):
    body, before = b"", b""
    for key, value in entries:
        shared = next(
            (i for i, (a, b) in enumerate(zip(before, key, strict=False)) if a != b),
            min(len(before), len(key)),
        )
        body += varint(shared) + varint(len(key) - shared) + varint(len(value)) + key[shared:] + value
        before = key
    return body + struct.pack("<II", 0, 1)


def checkpoint(tensors):
    data, entries = b"", [(b"", b"\x08\x01")]
    for name in sorted(tensors):
        values = tensors[name].astype("<f4")
        shape = b"".join(
            field(2, 2, varint(len(inner)) + inner)
            for inner in (field(1, 0, varint(n)) for n in values.shape)
        )
        entry = field(1, 0, varint(1)) + field(2, 2, varint(len(shape)) + shape)
        entry += field(4, 0, varint(len(data))) + field(5, 0, varint(values.nbytes)) + field(6, 5, b"\0" * 4)
        entries.append((name.encode(), entry))
        data += values.tobytes()
    body = block(entries)
    index = block([(b"~", varint(0) + varint(len(body)))])
    table = body + b"\0" * 5 + index + b"\0" * 5
    handles = varint(0) + varint(0) + varint(len(body) + 5) + varint(len(index))
    return table + handles.ljust(40, b"\0") + struct.pack("<Q", 0xDB4775248B80FB57), data


TENSORS = st.dictionaries(
    st.text("abc/_01", min_size=1, max_size=12),
    arrays.arrays(
        np.float32, arrays.array_shapes(max_dims=4, max_side=5), elements=st.floats(-9, 9, width=32)
    ),
    max_size=6,
)


@settings(max_examples=60)
@given(TENSORS)
def test_what_is_written_is_read(tensors):
    found = read_checkpoint(*checkpoint(tensors))
    assert set(found) == set(tensors)
    for name, values in tensors.items():
        assert found[name].shape == values.shape
        assert np.array_equal(found[name], values)


@settings(max_examples=150)
@given(st.data())
def test_damage_is_a_typed_error_or_other_numbers_but_never_a_crash(data):
    index, values = checkpoint({"a/kernel": np.ones((3, 2), np.float32), "a/bias": np.zeros(2, np.float32)})
    broken = bytearray(index)
    for _ in range(data.draw(st.integers(1, 4))):
        broken[data.draw(st.integers(0, len(broken) - 1))] = data.draw(st.integers(0, 255))
    cut = data.draw(st.integers(0, len(values)))
    try:
        read_checkpoint(bytes(broken), values[:cut])
    except ModelError:
        return


def test_a_file_that_is_no_table_is_refused():
    with pytest.raises(ModelError, match="checkpoint"):
        read_checkpoint(b"x" * 100, b"")
