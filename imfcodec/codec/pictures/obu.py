"""Splits AV1 data into its open bitstream units (AV1 specification, section 5.3)."""

from __future__ import annotations

from imfcodec.errors import KeyframeCodecError

SEQUENCE_HEADER = 1
TEMPORAL_DELIMITER = 2
FRAME_HEADER = 3
FRAME = 6
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


def shown_pictures(data: bytes) -> int:
    """Number of pictures that a temporal unit shows.

    A decoder gives one picture for each of a few bytes, so it must not see too many.

    Raises:
        KeyframeCodecError: The data is no such unit, or its frames do not say whether they are
            shown (reduced_still_picture_header).
    """
    shown = 0
    for kind, unit in split_units(data):
        first = _payload(unit)[:1]
        if kind == SEQUENCE_HEADER and first and first[0] >> 3 & 1:
            raise KeyframeCodecError("AV1 sequence header of a still picture")
        if kind in (FRAME_HEADER, FRAME) and first:
            shows_existing, shows_frame = first[0] >> 7, first[0] >> 4 & 1
            shown += shows_existing or shows_frame
    return shown


def _payload(unit: bytes) -> bytes:
    """What follows the header and the size of a unit."""
    start = 1 + (unit[0] >> 2 & 1)
    while unit[start] > 127:
        start += 1
    return unit[start + 1 :]
