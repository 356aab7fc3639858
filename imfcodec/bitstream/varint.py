"""Integers of variable length: unsigned LEB128, and zigzag for signed ones."""

from __future__ import annotations

from imfcodec.errors import CorruptStream

_MAX_VARINT_BYTES = 10


def write_varint(value: int) -> bytes:
    """Writes an unsigned integer, seven bits a byte, the lowest first.

    Args:
        value: 0 <= value < 2**64.

    Returns:
        1 to 10 bytes.

    Raises:
        CorruptStream: The value is outside the range.
    """
    if not 0 <= value < 1 << 64:
        raise CorruptStream(f"{value} does not fit an unsigned 64-bit integer")
    coded = bytearray()
    while value >= 0x80:
        coded.append(value & 0x7F | 0x80)
        value >>= 7
    coded.append(value)
    return bytes(coded)


def read_varint(data: bytes, start: int) -> tuple[int, int]:
    """Reads an unsigned integer at `start`.

    Returns:
        The value and the position after it.

    Raises:
        CorruptStream: The data ends within the integer, or the integer is over-long or above
            64 bits. Each value has exactly one form, so that equal streams have equal bytes.
    """
    value = 0
    for index, byte in enumerate(data[start : start + _MAX_VARINT_BYTES]):
        value |= (byte & 0x7F) << 7 * index
        if byte < 0x80:
            if byte == 0 and index > 0:
                raise CorruptStream("an integer is over-long")
            if value >= 1 << 64:
                raise CorruptStream("an integer is above 64 bits")
            return value, start + index + 1
    if len(data) - start >= _MAX_VARINT_BYTES:
        raise CorruptStream("an integer is longer than 10 bytes")
    raise CorruptStream("the data ends within an integer")


def write_svarint(value: int) -> bytes:
    """Writes a signed integer, -2**63 <= value < 2**63, as the varint of its zigzag form.

    Raises:
        CorruptStream: The value is outside the range.
    """
    return write_varint(2 * value if value >= 0 else -2 * value - 1)


def unzigzag(value: int) -> int:
    """Maps 0, 1, 2, 3, ... back to 0, -1, 1, -2, ..."""
    return (value >> 1) ^ -(value & 1)
