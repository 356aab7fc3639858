from __future__ import annotations

import io
from itertools import pairwise

import pytest

from imfcodec.bitstream import (
    AudioPacket,
    Damage,
    EndPacket,
    ExtensionPacket,
    KeyPacket,
    Limits,
    Packet,
    StreamReader,
    TokenPacket,
    write_header,
)
from imfcodec.bitstream.framing import SYNC_MARK
from imfcodec.bitstream.varint import write_varint
from imfcodec.errors import ImfcodecError, LimitExceeded, UnsupportedVersion

from .samples import (
    HEADER,
    PACKETS,
    SOUND_HEADER,
    damages,
    frame_bytes,
    packets,
    read_stream,
    write_stream,
)

STREAM = write_stream()
WHOLE = packets(read_stream(STREAM))


def packet_ends() -> list[int]:
    """Position behind the header and behind each packet."""
    reader = StreamReader(io.BytesIO(STREAM))
    ends = [reader.sizes.total_bytes]
    ends += (reader.sizes.total_bytes for _ in reader)
    return ends


ENDS = packet_ends()


def flip(data: bytes, bit: int) -> bytes:
    copy = bytearray(data)
    copy[bit // 8] ^= 1 << bit % 8
    return bytes(copy)


def test_whole_stream_has_no_damage() -> None:
    assert not damages(read_stream(STREAM))
    assert ENDS[-1] == len(STREAM)


def test_truncation_at_every_byte() -> None:
    for cut in range(len(STREAM)):
        if cut < ENDS[0]:
            with pytest.raises(ImfcodecError):
                read_stream(STREAM[:cut])
            continue
        items = read_stream(STREAM[:cut])
        whole = sum(end <= cut for end in ENDS[1:])
        assert items[:-1] == WHOLE[:whole]
        last = items[-1]
        assert isinstance(last, Damage)
        assert last.truncated
        assert (last.offset, last.length_bytes) == (ENDS[whole], cut - ENDS[whole])


def test_every_single_bit_flip() -> None:
    for bit in range(8 * len(STREAM)):
        data = flip(STREAM, bit)
        if bit // 8 < ENDS[0]:
            with pytest.raises(ImfcodecError):
                read_stream(data)
            continue
        reader = StreamReader(io.BytesIO(data))
        items = list(reader)
        hit = sum(end <= bit // 8 for end in ENDS) - 1
        found = damages(items)
        assert len(found) == 1
        assert found[0].offset == ENDS[hit]
        # What was not hit is as it was, and up to the damage nothing is missing.
        assert packets(items)[:hit] == WHOLE[:hit]
        # The end is found behind any damage; its time is that of the last key frame that is left.
        end = packets(items)[-1]
        if isinstance(end, EndPacket):
            assert end.frame_count == WHOLE[-1].frame_count
        assert all(item in WHOLE for item in packets(items) if item is not end)
        assert WHOLE[hit] not in items
        if hit < 4:
            assert WHOLE[4:] == packets(items)[-len(WHOLE[4:]) :]
        assert reader.sizes.total_bytes == len(data)


def spoil(number: int, at: int = -6) -> bytes:
    """The stream with one packet damaged, near its end by default."""
    end = ENDS[number + 1]
    return flip(STREAM, 8 * (end + at))


@pytest.mark.parametrize("number", [1, 2, 3, 5, 6, 7, 8])
def test_a_lost_packet_costs_no_other(number: int) -> None:
    items = read_stream(spoil(number))
    [damage] = damages(items)
    assert damage.offset == ENDS[number]
    assert damage.length_bytes == ENDS[number + 1] - ENDS[number]
    assert "wrong checksum" in damage.reason
    assert not damage.truncated
    assert packets(items) == WHOLE[:number] + WHOLE[number + 1 :]


def test_a_lost_key_packet_costs_all_up_to_the_next() -> None:
    items = read_stream(spoil(0))
    assert isinstance(items[0], Damage)
    assert items[0].length_bytes == ENDS[4] - ENDS[0]
    assert items[1:] == WHOLE[4:]


def test_a_lost_head_costs_all_up_to_the_next_key_packet() -> None:
    start = ENDS[1]
    items = read_stream(STREAM[:start] + b"\xff" * 6 + STREAM[start + 6 :])
    [damage] = damages(items)
    assert (damage.offset, damage.offset + damage.length_bytes) == (start, ENDS[4])
    assert packets(items) == WHOLE[:1] + WHOLE[4:]


def test_no_further_key_packet() -> None:
    items = read_stream(STREAM[: ENDS[5]] + b"\xff" * 6 + STREAM[ENDS[5] + 6 :])
    assert items[:5] == WHOLE[:5]
    assert items[5:] == [damages(items)[0], WHOLE[-1]]
    assert not damages(items)[0].truncated
    assert damages(items)[0].length_bytes == ENDS[-2] - ENDS[5]


def test_a_lost_head_of_a_predicted_key_packet_is_searched_behind() -> None:
    """Without a mark there is nothing to go on at but the next key packet."""
    data = bytearray(STREAM)
    data[ENDS[7]] = 0xFF
    items = read_stream(bytes(data) + STREAM[ENDS[4] :])
    new = [p for p in WHOLE[4:] if p not in WHOLE[:7] or isinstance(p, ExtensionPacket)]
    assert packets(items) == WHOLE[:7] + new


def test_missing_bytes() -> None:
    """A length that leads into the middle of a later packet is not believed."""
    items = read_stream(STREAM[: ENDS[1] + 4] + STREAM[ENDS[1] + 7 :])
    assert packets(items) == WHOLE[:1] + WHOLE[4:]


def test_cleanly_lost_packets_show_in_frame_numbers() -> None:
    items = read_stream(STREAM[: ENDS[1]] + STREAM[ENDS[3] :])
    assert items[1] == PACKETS[3]


def test_loss_of_255_frames_is_counted() -> None:
    key = KeyPacket(0, 0, b"", b"")
    lost = TokenPacket(1, tuple(512 * n for n in range(1, 256)), b"lost" * 8)
    kept = TokenPacket(256, tuple(512 * n for n in range(256, 300)), b"kept")
    stream = write_stream((key, lost, kept), 512 * 300, HEADER)
    items = read_stream(stream.replace(b"lost", b"gone", 1))
    assert packets(items)[:2] == [key, kept]


def test_trailing_data() -> None:
    items = read_stream(STREAM + b"more" + STREAM)
    assert items[:-1] == WHOLE
    assert items[-1] == Damage(
        len(STREAM), 4 + len(STREAM), "trailing data after the end packet", False
    )


def test_stream_cut_out_of_another() -> None:
    header_bytes = STREAM[: ENDS[0]]
    items = read_stream(header_bytes + STREAM[ENDS[4] :])
    assert items == WHOLE[4:]


def after_key(*coded: bytes) -> list[Packet | Damage]:
    """What comes out of a stream of one good key frame and some bytes."""
    return read_stream(STREAM[: ENDS[1]] + b"".join(coded))[1:]


TOKENS = STREAM[ENDS[1] : ENDS[2]]
END = frame_bytes(b"\x0d", b"\x04")


@pytest.mark.parametrize(
    ("coded", "reason"),
    [
        (frame_bytes(b"\x02", b""), "token packet: the data ends within an integer"),
        (frame_bytes(b"\x0a", b"\x00"), "token packet: the data ends within an integer"),
        (frame_bytes(b"\x12", b"\x01\x01"), "token packet: no frames"),
        (frame_bytes(b"\x12", b"\x00\x00"), "token packet: no frames"),
        (frame_bytes(b"\x1a", b"\x82\x40\x01"), "token packet: 4097 frames, the limit is 4096"),
        (frame_bytes(b"\x12", b"\x02\x01"), "token packet: the data ends"),
        (frame_bytes(b"\x1a", b"\x00\x03\x01"), "token packet: the data ends"),
        (frame_bytes(b"\x3a", b"\x00\x04\x01\x00\x00\xff\x07"), "token packet: timestamps do not"),
        (
            frame_bytes(b"\x6a", b"\x00\x03\x01" + b"\x80" * 9 + b"\x01"),
            "token packet: timestamp 46",
        ),
        (frame_bytes(b"\x06", b""), "predicted key packet: the data ends within an integer"),
        (frame_bytes(b"\x0e", b"\x00"), "predicted key packet: the data ends within a field"),
        (frame_bytes(b"\x16", b"\x00\x01"), "predicted key packet: the data ends within a field"),
        (frame_bytes(b"\x1e", b"\x01\x01\x00"), "predicted key packet: the data ends within an in"),
        (
            frame_bytes(b"\x26", b"\x20\x01\x00t"),
            "predicted key packet: the data ends within a field",
        ),
        (
            frame_bytes(b"\x36", b"\x90\x80\x80\x08\x01\x00"),
            "predicted key packet: token of 1048577 bytes, the limit is 1048576",
        ),
        (
            frame_bytes(b"\x6e", b"\x01\x01\x00" + b"\x80" * 9 + b"\x01"),
            "predicted key packet: timestamp 46",
        ),
        (frame_bytes(b"\x13", b"\x00\x00"), "audio packet: no audio packets"),
        (frame_bytes(b"\x1b", b"\x00\x81\x08"), "audio packet: 1025 audio packets"),
        (frame_bytes(b"\x1b", b"\x00\x01\x01"), "audio packet: the data ends within a field"),
        (frame_bytes(b"\x23", b"\x00\x01\x00\x00"), "audio packet: 1 bytes too many"),
        (frame_bytes(b"\x2d", b"\x04\x00\x00\x00\x00"), "end packet: 3 bytes too many"),
        (frame_bytes(b"\x07", b""), "extension packet: the data ends"),
        (frame_bytes(b"\x0f", b"\x80"), "extension packet: the data ends"),
    ],
)
def test_impossible_payload_of_right_checksum(coded: bytes, reason: str) -> None:
    items = after_key(coded, TOKENS, END)
    assert isinstance(items[-1], EndPacket)
    assert isinstance(items[0], Damage)
    assert items[0].reason.startswith(reason)
    assert items[0].length_bytes == len(coded)
    assert items[1] == PACKETS[1]


def test_audio_in_a_silent_stream() -> None:
    silent = write_header(HEADER) + STREAM[ENDS[0] : ENDS[4]]
    [damage] = [item for item in damages(read_stream(silent)) if not item.truncated]
    assert "no audio parameters" in damage.reason


@pytest.mark.parametrize(
    "payload",
    [b"", b"\x01\x06", b"\x01\x06\x00\x05tok", b"\x09\x06\x00\x81\x08" + bytes(1100)],
)
def test_impossible_key_packet_is_not_gone_on_behind(payload: bytes) -> None:
    size = len(payload) << 3 | 1
    head = bytes([size]) if size < 128 else bytes([size & 0x7F | 0x80, size >> 7])
    bad = SYNC_MARK + frame_bytes(head, payload)
    items = after_key(bad, TOKENS, bad, STREAM[ENDS[4] :])
    assert isinstance(items[0], Damage)
    assert items[0].length_bytes == 2 * len(bad) + len(TOKENS)
    assert items[1:] == WHOLE[4:]


@pytest.mark.parametrize(
    "coded",
    [
        frame_bytes(b"\x08", b"\x00"),  # type 0
        STREAM[ENDS[4] + 4 : ENDS[5]],  # key packet without mark
        SYNC_MARK + TOKENS,
        b"\x00IMF" + STREAM[ENDS[4] + 4 : ENDS[5]],
        b"\x80" * 12,
        b"\xe2\x00" + TOKENS,  # over-long head
    ],
)
def test_no_packet_begins_here(coded: bytes) -> None:
    items = after_key(coded, STREAM[ENDS[4] :])
    assert isinstance(items[0], Damage)
    assert items[0].length_bytes == len(coded)
    assert items[1:] == WHOLE[4:]


def test_first_packet_must_be_a_key_packet() -> None:
    items = read_stream(STREAM[: ENDS[0]] + STREAM[ENDS[1] :])
    assert isinstance(items[0], Damage)
    assert items[1:] == WHOLE[4:]


def test_optional_extension_is_passed_on() -> None:
    assert ExtensionPacket(subtype=42, data=b"note") in read_stream(STREAM)


def test_newer_packets_are_refused() -> None:
    coded = frame_bytes(b"\x17", b"\x2bX")
    reader = StreamReader(io.BytesIO(STREAM[: ENDS[1]] + coded + STREAM[ENDS[4] :]))
    next(reader)
    with pytest.raises(UnsupportedVersion, match="critical extension 43"):
        next(reader)
    assert list(reader) == []


def test_newer_packets_of_wrong_checksum_are_damage() -> None:
    bad = frame_bytes(b"\x17", b"\x2bX")[:-1] + b"?"
    assert after_key(bad, STREAM[ENDS[4] :])[1:] == WHOLE[4:]


def test_newer_packet_behind_damage_is_refused() -> None:
    key_and_newer = STREAM[ENDS[4] : ENDS[5]] + frame_bytes(b"\x17", b"\x2bX")
    reader = StreamReader(io.BytesIO(STREAM[: ENDS[1]] + b"\xff" * 20 + key_and_newer))
    next(reader)
    assert isinstance(next(reader), Damage)
    assert next(reader) == PACKETS[4]
    with pytest.raises(UnsupportedVersion):
        next(reader)


def test_key_timestamp_beyond_the_range() -> None:
    late = SYNC_MARK + frame_bytes(b"\x71", b"\x01\x06" + b"\x80" * 9 + b"\x01" + b"\x00p")
    items = after_key(late, STREAM[ENDS[4] :])
    assert isinstance(items[0], Damage)
    assert items[0].reason == f"key packet: timestamp {2**62}"
    assert items[1:] == WHOLE[4:]


def test_false_key_packets_do_bounded_work() -> None:
    """Marks whose lengths overlap would make the same bytes be checksummed over and over."""
    false = SYNC_MARK + b"\x81\x80\x20"  # claims 64 KiB
    limits = Limits(max_wasted_bytes=1 << 20)
    data = STREAM[: ENDS[1]] + b"\xff" * 20 + false * 40_000 + STREAM[ENDS[4] :]
    items = list(StreamReader(io.BytesIO(data), limits))
    assert items[0] == PACKETS[0]
    [damage] = damages(items)
    assert damage.truncated
    assert "too much damage" in damage.reason
    assert damage.length_bytes == len(data) - ENDS[1]


def test_false_empty_packets_cost_too() -> None:
    data = STREAM[: ENDS[1]] + b"\xff" + SYNC_MARK * 20_000 + STREAM[ENDS[4] :]
    limits = Limits(max_wasted_bytes=1 << 20)
    assert damages(StreamReader(io.BytesIO(data), limits))[0].truncated
    assert packets(read_stream(data)) == WHOLE[:1] + WHOLE[4:]


def test_audio_survives_the_round() -> None:
    assert any(isinstance(item, AudioPacket) for item in WHOLE)
    assert StreamReader(io.BytesIO(STREAM)).header == SOUND_HEADER


@pytest.mark.parametrize("number", [0, 1, 3, 4, 6, 7, 8, 9])
def test_a_repeated_packet_is_passed_over(number: int) -> None:
    packet = STREAM[ENDS[number] : ENDS[number + 1]]
    mark = SYNC_MARK if number == 0 else b""  # only the first key packet of all lacks it
    for later in range(number + 1, min(number + 6, len(ENDS))):
        reader = StreamReader(
            io.BytesIO(STREAM[: ENDS[later]] + mark + packet + STREAM[ENDS[later] :])
        )
        assert list(reader) == WHOLE
        assert reader.repetitions == 1


def test_packets_that_are_alike_and_follow_each_other_are_no_repetition() -> None:
    """Nothing moves: after 256 frames even the numbers look the same."""
    items: list[Packet] = [KeyPacket(0, 0, b"", b"")]
    items += [
        TokenPacket(1 + 64 * n, tuple(512 * f for f in range(1 + 64 * n, 65 + 64 * n)), b"x", key=0)
        for n in range(12)
    ]
    reader = StreamReader(io.BytesIO(write_stream(items, 512 * 800, HEADER)))
    assert packets(list(reader))[:-1] == items
    assert reader.repetitions == 0


def test_a_late_packet_has_its_own_number() -> None:
    key = KeyPacket(0, 0, b"", b"")
    parts = [
        TokenPacket(1 + 9 * n, tuple(512 * f for f in range(1 + 9 * n, 10 + 9 * n)), b"tok", key=0)
        for n in range(4)
    ]
    stream = write_stream((key, *parts), 512 * 37, HEADER)
    reader = StreamReader(io.BytesIO(stream))
    ends = []
    for _ in range(6):
        next(reader)
        ends.append(reader.sizes.total_bytes)
    pieces = [stream[a:b] for a, b in pairwise(ends)]
    swapped = stream[: ends[0]] + pieces[1] + pieces[0] + b"".join(pieces[2:])
    got = packets(read_stream(swapped))
    assert got[:-1] == [key, parts[1], parts[0], parts[2], parts[3]]


def test_frames_are_in_proportion_to_bytes() -> None:
    many = TokenPacket(1, tuple(512 * n for n in range(1, 2000)), b"few bytes", key=0)
    with pytest.raises(LimitExceeded, match="1999 frames in"):
        write_stream((KeyPacket(0, 0, b"", b""), many), 512 * 2000, HEADER)
    head = write_varint(1999 << 1) + b"\x01\x00few bytes"
    items = after_key(frame_bytes(write_varint(len(head) << 3 | 2), head))
    assert "1999 frames in" in damages(items)[0].reason
