"""Splits AV1 data into its open bitstream units (AV1 specification, section 5.3)."""

from __future__ import annotations

from imfcodec.errors import KeyframeCodecError

SEQUENCE_HEADER = 1
TEMPORAL_DELIMITER = 2
DELIMITER = b"\x12\x00"


def split_units(data: bytes) -> list[tuple[int, bytes]]:
    """Low-overhead bitstream -> (type, whole unit) of each unit.

    Raises:
        KeyframeCodecError: A unit has no size field or reaches past the end.
    """
    units = []
    at = 0
    while at < len(data):
        head = data[at]
        kind, extended, sized = head >> 3 & 15, head >> 2 & 1, head >> 1 & 1
        cursor = at + 1 + extended
        if not sized:
            raise KeyframeCodecError("AV1 unit without a size field")
        size, shift = 0, 0
        while True:
            if cursor >= len(data) or shift > 28:
                raise KeyframeCodecError("AV1 unit with a broken size field")
            byte = data[cursor]
            cursor += 1
            size |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                break
        if cursor + size > len(data):
            raise KeyframeCodecError("AV1 unit reaches past the end of its packet")
        units.append((kind, data[at : cursor + size]))
        at = cursor + size
    return units
