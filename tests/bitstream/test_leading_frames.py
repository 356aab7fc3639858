"""Key packets that bring the frames before them."""

from __future__ import annotations

import io
import zlib

import pytest

from imfcodec.bitstream import (
    Damage,
    KeyPacket,
    Packet,
    PredictedKeyPacket,
    StreamWriter,
    TokenPacket,
)
from imfcodec.errors import CorruptStream

from .samples import HEADER, frame_bytes, read_stream, write_stream

STEP = 512


def stamps(*numbers: int) -> tuple[int, ...]:
    return tuple(STEP * n for n in numbers)


START = KeyPacket(0, 0, b"tok0", b"picture zero")
LATE = (STEP + 7, 2 * STEP + 9)


@pytest.mark.parametrize(
    "key",
    [
        PredictedKeyPacket(3, 3 * STEP, 0, b"tokens", b"picture", lead=stamps(1, 2)),
        PredictedKeyPacket(3, 3 * STEP, 0, b"tokens", b"picture", lead=LATE),
        PredictedKeyPacket(3, 3 * STEP + 50, 0, b"tokens", b"picture", lead=stamps(1, 2)),
        KeyPacket(3, 3 * STEP, b"tokens", b"picture", lead=stamps(1, 2)),
        KeyPacket(3, 1900, b"tokens", b"picture", config=b"own", lead=LATE),
    ],
)
def test_round_trip(key: Packet) -> None:
    behind = TokenPacket(4, (key.pts + STEP,), b"tokens", None)
    packets = (START, key, behind)
    items = read_stream(write_stream(packets, key.pts + 2 * STEP, HEADER))
    assert tuple(items[:3]) == packets


def test_bytes() -> None:
    """Three leading frames of regular timing cost one byte."""
    key = PredictedKeyPacket(4, 4 * STEP, 0, b"tok", b"pic", lead=stamps(1, 2, 3))
    stream = write_stream((START, key), 5 * STEP, HEADER)
    # head; token size 3, leading; number, base; how many lead; token, picture
    coded = bytes.fromhex("56 32 04 00 03") + b"tok" + b"pic"
    assert coded + zlib.crc32(coded).to_bytes(4, "little") in stream


def test_more_of_them_than_eight_bits_count() -> None:
    lead = stamps(*range(1, 300))
    key = PredictedKeyPacket(300, 300 * STEP, 0, b"tok", b"picture" * 3, lead=lead)
    assert key in read_stream(write_stream((START, key), 301 * STEP, HEADER))


def test_a_gap_before_them_is_counted() -> None:
    """Without the token packet between, the numbers are the same."""
    tokens = TokenPacket(1, stamps(1, 2), b"tokens")
    key = PredictedKeyPacket(5, 5 * STEP, 0, b"tok", b"pic", lead=stamps(3, 4))
    whole = write_stream((START, tokens, key), 6 * STEP, HEADER)
    cut = whole.index(b"tokens")
    packet_start, packet_end = cut - 3, cut + len(b"tokens") + 4
    assert key in read_stream(whole[:packet_start] + whole[packet_end:])


@pytest.mark.parametrize(
    "key",
    [
        PredictedKeyPacket(3, 3 * STEP, 0, b"", b"", lead=stamps(2)),
        PredictedKeyPacket(3, 3 * STEP, 0, b"", b"", lead=(0, 2 * STEP)),
        KeyPacket(2, 2 * STEP, b"", b"", lead=(0,)),
    ],
)
def test_a_writer_refuses_gaps_and_time_that_stands_still(key: Packet) -> None:
    writer = StreamWriter(io.BytesIO(), HEADER)
    writer.write(START)
    with pytest.raises(CorruptStream):
        writer.write(key)


def test_impossible_ones_are_no_packets() -> None:
    for lead, number in (((STEP, STEP), 3), ((STEP, 5 * STEP), 3), (stamps(-2, -1), 1)):
        with pytest.raises(CorruptStream):
            PredictedKeyPacket(number, 3 * STEP, 0, b"", b"", lead=lead)


@pytest.mark.parametrize(
    ("payload", "reason"),
    [
        (b"\x02\x03\x00\x00", "no leading frames"),
        (b"\x02\x03\x00\x81\x20", "4097 leading frames, the limit is 4096"),
        (b"\x03\x03\x00\x80\x18\x02\x80\x08", "the data ends"),
        (b"\x03\x03\x00\x80\x18\x02\x80\x08\xff\x07", "timestamps do not rise"),
    ],
)
def test_impossible_payloads_are_damage(payload: bytes, reason: str) -> None:
    whole = write_stream((START,), STEP, HEADER)
    end = write_stream((START,), STEP, HEADER).rindex(b"zero") + 8
    bad = frame_bytes(bytes([len(payload) << 3 | 6]), payload)
    items = read_stream(whole[:end] + bad + whole[end:])
    assert isinstance(items[1], Damage)
    assert reason in items[1].reason
