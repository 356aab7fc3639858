"""AV1 runs of the base."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imfcodec import bitstream
from imfcodec.bitstream import (
    Damage,
    EndPacket,
    KeyPacket,
    LayerPacket,
    Limits,
    Packet,
    PredictedKeyPacket,
    RunPacket,
    StreamReader,
    StreamWriter,
    TokenPacket,
    Window,
    WindowEnd,
)
from imfcodec.bitstream.framing import SYNC_MARK
from imfcodec.errors import CorruptStream, LimitExceeded

from .samples import HEADER, damages, frame_bytes, packets, read_stream, write_stream

STEP = 512


def regular(first: int, count: int) -> tuple[int, ...]:
    return tuple(STEP * n for n in range(first, first + count))


def units(count: int) -> tuple[bytes, ...]:
    return tuple(b"unit " * (n + 1) for n in range(count))


BEGIN = RunPacket(0, regular(0, 5), units(3), hold=2, restoration=1)
CONTINUED = RunPacket(5, regular(5, 2), (b"five", b"six"), begins=False)
LATE = RunPacket(7, (7 * STEP + 9, 4200, 9 * STEP), (b"late",), hold=8, begins=False)
LATE_BEGIN = RunPacket(10, (10 * STEP, 5700), (b"ten", b"eleven"))
PACKETS: tuple[Packet, ...] = (
    BEGIN,
    CONTINUED,
    LATE,
    LATE_BEGIN,
    KeyPacket(12, 12 * STEP, b"tok", b"key picture"),
    TokenPacket(13, regular(13, 1), b"tokens", key=12),
    RunPacket(14, (7300,), (b"fourteen",)),
    RunPacket(15, (7300 + STEP,), (b"fifteen",), begins=False),  # regular from the run's begin
)
END_PTS = 17 * STEP
STREAM = write_stream(PACKETS, END_PTS, HEADER)
WHOLE: list[Packet] = [*PACKETS, EndPacket(16, END_PTS)]


def ends(stream: bytes) -> list[int]:
    """Position after the header and after each packet."""
    reader = StreamReader(io.BytesIO(stream))
    return [reader.sizes.total_bytes, *(reader.sizes.total_bytes for _ in reader)]


ENDS = ends(STREAM)


def test_round_trip_of_every_kind() -> None:
    assert read_stream(STREAM) == WHOLE


def test_golden_run_packets() -> None:
    coded = [STREAM[ENDS[n] : ENDS[n + 1] - 4].hex(" ") for n in (1, 2, 3)]
    assert coded == [
        # head; continued; 2 frames, regular; frame 5; hold; sizes; units
        "6c 04 04 05 01 04 03 66 69 76 65 73 69 78",
        # head; continued; 3 frames, irregular; frame 7; hold; pts; two steps; size; unit
        "7c 04 07 07 08 92 38 be 01 cf 01 04 6c 61 74 65",
        # mark; head; begins; irregular; frame 10; pts; hold; 2 frames; step; sizes; units
        "00 49 4d 4b a4 01 03 04 0a 80 50 01 02 88 01 03 06 74 65 6e 65 6c 65 76 65 6e",
    ]


def test_example_of_the_document() -> None:
    document = Path(bitstream.__file__).with_name("FORMAT.md").read_text(encoding="utf-8")
    section = document[document.index("### 5.8") :]
    line = next(line for line in section.splitlines() if line.startswith("    00 49 4D 4B"))
    [packet, _] = read_stream(STREAM[: ENDS[0]] + bytes.fromhex(line) + STREAM[ENDS[-2] :])
    example = RunPacket(6, regular(6, 3), (b"\xd1\xd2", b"\xe1"), hold=2, restoration=2)
    assert packet == example


def test_marks() -> None:
    """Every first packet of a run has one, and every key packet but the first packet."""
    marked = [STREAM[a : a + 4] == SYNC_MARK for a in ENDS[:-1]]
    assert marked == [True, False, False, True, True, False, True, False, False]


def test_sizes() -> None:
    reader = StreamReader(io.BytesIO(STREAM))
    assert len(list(reader)) == len(WHOLE)
    run_packets = [packet for packet in PACKETS if isinstance(packet, RunPacket)]
    assert reader.sizes.run_bytes == sum(len(b"".join(packet.units)) for packet in run_packets)
    assert reader.sizes.total_bytes == len(STREAM)
    assert reader.sizes.layer_bytes == {}


@st.composite
def stretches(draw: st.DrawFn) -> list[Packet]:
    """A base of runs, keys and tokens with any timing."""
    items: list[Packet] = []
    number, pts = 0, draw(st.integers(-99, 99))
    for _ in range(draw(st.integers(1, 12))):
        running = bool(items) and isinstance(items[-1], RunPacket)
        kind = draw(st.sampled_from(["run", "key", "more"] if items else ["run", "key"]))
        count = 1 if kind == "key" else draw(st.integers(1, 40))
        jitter = draw(st.sampled_from([0, 0, 300]))
        stamps = tuple(pts + STEP * n + draw(st.integers(0, jitter)) for n in range(count))
        if kind == "key":
            items.append(KeyPacket(number, stamps[0], b"tok", b"picture"))
        elif kind == "run" or running:
            hold = draw(st.integers(1, 8))
            size = st.binary(min_size=1, max_size=200)
            coded = tuple(draw(size) for _ in range(-(-count // hold)))
            restoration = draw(st.integers(0, 3)) if kind == "run" else 0
            each = kind == "run" and draw(st.booleans())
            items.append(RunPacket(number, stamps, coded, hold, kind == "run", restoration, each))
        else:
            items.append(TokenPacket(number, stamps, b"tokens"))
        number, pts = number + count, stamps[-1] + STEP
    return items


@given(stretches())
def test_round_trip(items: list[Packet]) -> None:
    assert packets(read_stream(write_stream(items, 1 << 40, HEADER)))[:-1] == items


@given(stretches(), st.data())
def test_any_damage_is_survived(items: list[Packet], data: st.DataObject) -> None:
    stream = bytearray(write_stream(items, 1 << 40, HEADER))
    for _ in range(data.draw(st.integers(1, 4))):
        stream[data.draw(st.integers(ENDS[0], len(stream) - 1))] = data.draw(st.integers(0, 255))
    reader = StreamReader(io.BytesIO(bytes(stream)))
    assert len(list(reader)) <= len(items) + 10
    assert reader.sizes.total_bytes == len(stream)


def test_truncation_at_every_byte() -> None:
    for cut in range(ENDS[0], len(STREAM)):
        items = read_stream(STREAM[:cut])
        assert packets(items) == WHOLE[: sum(end <= cut for end in ENDS[1:])]
        assert damages(items)[0].truncated


def test_every_single_bit_flip() -> None:
    for bit in range(8 * ENDS[0], 8 * len(STREAM)):
        data = bytearray(STREAM)
        data[bit // 8] ^= 1 << bit % 8
        items = read_stream(bytes(data))
        hit = sum(end <= bit // 8 for end in ENDS) - 1
        assert [damage.offset for damage in damages(items)] == [ENDS[hit]]
        assert packets(items)[:hit] == WHOLE[:hit]
        assert WHOLE[hit] not in items


@pytest.mark.parametrize("broken", [1, 2])
def test_a_broken_packet_of_a_run_costs_no_other(broken: int) -> None:
    data = bytearray(STREAM)
    data[ENDS[broken + 1] - 5] ^= 1
    items = read_stream(bytes(data))
    assert len(damages(items)) == 1
    assert packets(items) == WHOLE[:broken] + WHOLE[broken + 1 :]


@pytest.mark.parametrize(("broken", "mark"), [(0, 3), (1, 3), (2, 3), (3, 4), (5, 6)])
def test_a_search_ends_at_the_next_run_or_key(broken: int, mark: int) -> None:
    start = ENDS[broken]
    items = read_stream(STREAM[:start] + b"\xff" * 6 + STREAM[start + 6 :])
    assert isinstance(items[broken], Damage)
    assert items[:broken] == WHOLE[:broken]
    assert items[broken + 1 :] == WHOLE[mark:]


def test_a_stream_may_be_cut_out_at_a_run() -> None:
    assert read_stream(STREAM[: ENDS[0]] + STREAM[ENDS[3] :]) == WHOLE[3:]


def test_a_repeated_first_packet_is_passed_over_wherever_it_comes() -> None:
    packet = STREAM[ENDS[3] : ENDS[4]]
    for later in ENDS[4:]:
        reader = StreamReader(io.BytesIO(STREAM[:later] + packet + STREAM[later:]))
        assert list(reader) == WHOLE
        assert reader.repetitions == 1


def test_packets_that_are_alike_and_follow_each_other_are_no_repetition() -> None:
    items: list[Packet] = [RunPacket(0, (0,), (b"unit",))]
    items += [
        RunPacket(1 + 64 * n, regular(1 + 64 * n, 64), (b"still",) * 8, hold=8, begins=False)
        for n in range(8)
    ]
    assert packets(read_stream(write_stream(items, 1 << 40, HEADER)))[:-1] == items


def test_a_late_packet_has_its_own_number() -> None:
    second = RunPacket(7, regular(7, 1), (b"seven",), begins=False)
    stream = write_stream([BEGIN, CONTINUED, second], END_PTS, HEADER)
    a, b, c = ends(stream)[1:4]
    swapped = stream[:a] + stream[b:c] + stream[a:b] + stream[c:]
    assert packets(read_stream(swapped))[1:3] == [second, CONTINUED]


def test_tokens_after_a_run_come_back_as_they_are() -> None:
    """A receiver sees that it does not hold their reference."""
    behind = PredictedKeyPacket(5, 5 * STEP, origin=0, token=b"tok", picture=b"picture")
    start = [KeyPacket(0, 0, b"", b""), TokenPacket(1, regular(1, 4), b"", key=0), behind]
    stream = write_stream(start, END_PTS, HEADER)
    a, b = ends(stream)[2:4]
    spliced = STREAM[: ENDS[1]] + stream[a:b] + STREAM[ENDS[-2] :]
    assert packets(read_stream(spliced))[:2] == [BEGIN, behind]


BEGIN_HEAD = b"\x03\x00\x0a\x00"
"""Kind, flags, frame number and pts of a packet that begins a run."""


@pytest.mark.parametrize(
    ("payload", "mark", "reason"),
    [
        (b"\x03", SYNC_MARK, "the data ends"),
        (b"\x04", b"", "the data ends"),
        (b"\x0b" + BEGIN_HEAD[1:] + b"\x01\x01\x01u", SYNC_MARK, "kind 11 in layer 0"),
        (b"\x0c\x02\x05\x01\x01u", b"", "kind 12 in layer 0"),
        (b"\x01" + BEGIN_HEAD[1:] + b"\x01\x01\x01u", SYNC_MARK, "kind 1 in layer 0"),
        (b"\x05\x01", b"", "kind 5 in layer 0"),
        (b"\x13" + BEGIN_HEAD[1:] + b"\x01\x01\x01u", SYNC_MARK, "layer 1 of 0"),
        (b"\x03\x10\x0a\x00\x01\x01\x01u", SYNC_MARK, "reserved flags"),
        (BEGIN_HEAD + b"\x00\x01\x01u", SYNC_MARK, "shown for 0 frames"),
        (BEGIN_HEAD + b"\x21\x01\x01u", SYNC_MARK, "shown for 33 frames"),
        (BEGIN_HEAD + b"\x01\x00\x01u", SYNC_MARK, "no frames"),
        (BEGIN_HEAD + b"\x01\x81\x20\x01u", SYNC_MARK, "4097 frames, the limit is 4096"),
        (BEGIN_HEAD + b"\x01\x01\x00", SYNC_MARK, "an empty temporal unit"),
        (BEGIN_HEAD + b"\x01\x01\x02u", SYNC_MARK, "the data ends"),
        (BEGIN_HEAD + b"\x01\x01\x01uv", SYNC_MARK, "1 bytes too many"),
        (BEGIN_HEAD + b"\x01\x02\x01uv", SYNC_MARK, "the data ends"),
        (b"\x03\x04\x0a\x00\x01\x02\xff\x07\x01\x01uv", SYNC_MARK, "timestamps do not rise"),
        (b"\x03\x00" + b"\x80" * 6 + b"\x40\x00\x01\x01\x01u", SYNC_MARK, "frame number"),
        (b"\x04\x02\x05\x00\x01u", b"", "shown for 0 frames"),
        (b"\x04\x02\x05\x21\x01u", b"", "shown for 33 frames"),
        (b"\x04\x00\x05\x01\x01u", b"", "no frames"),
        (b"\x04\x82\x40\x05\x01\x01u", b"", "4097 frames, the limit is 4096"),
        (b"\x04\x02\x05\x01\x00", b"", "an empty temporal unit"),
        (b"\x04\x04\x05\x02\x02u", b"", "the data ends"),
    ],
)
def test_impossible_run_packets(payload: bytes, mark: bytes, reason: str) -> None:
    coded = mark + frame_bytes(bytes([len(payload) << 3 | 4]), payload)
    items = read_stream(STREAM[: ENDS[1]] + coded + STREAM[ENDS[1] :])
    [damage] = damages(items)
    assert reason in damage.reason
    assert packets(items) == WHOLE


@pytest.mark.parametrize(
    ("payload", "mark"),
    [(BEGIN_HEAD + b"\x01\x01\x01u", b""), (b"\x04\x02\x05\x01\x01u", SYNC_MARK)],
)
def test_misplaced_mark(payload: bytes, mark: bytes) -> None:
    coded = mark + frame_bytes(bytes([len(payload) << 3 | 4]), payload)
    items = read_stream(STREAM[: ENDS[3]] + coded + STREAM[ENDS[3] :])
    assert damages(items)[0].reason == "no packet begins here"
    assert packets(items) == WHOLE


def test_lower_limits() -> None:
    items = list(StreamReader(io.BytesIO(STREAM), Limits(max_layer_bytes=30)))
    assert "the limit is" in damages(items)[0].reason
    assert packets(items) == WHOLE[3:]


KEY = KeyPacket(0, 0, b"tok", b"picture")
WINDOW = Window(0, 0, 64, 64)
LAYER_KEY = LayerPacket(1, KeyPacket(5, 5, b"", b"", b"configuration"), WINDOW)


@pytest.mark.parametrize(
    ("items", "message"),
    [
        ([replace(CONTINUED, first_frame=0)], "no run packet before"),
        ([KEY, RunPacket(1, regular(1, 1), (b"u",), begins=False)], "no run packet before"),
        ([BEGIN, TokenPacket(5, regular(5, 1), b"", key=0)], "no key packet before"),
        ([BEGIN, TokenPacket(5, regular(5, 1), b"")], "no key packet before"),
        ([BEGIN, PredictedKeyPacket(5, 5 * STEP, 0, b"", b"")], "no key packet before"),
        ([KEY, RunPacket(1, regular(1, 1), (b"u",)), TokenPacket(2, (9999,), b"", 0)], "no key"),
        ([BEGIN, replace(CONTINUED, first_frame=6)], "frame 6 where frame 5"),
        ([BEGIN, replace(BEGIN, first_frame=6)], "frame 6 where frame 5"),
        ([BEGIN, replace(CONTINUED, pts=(4 * STEP, 5 * STEP))], "does not rise"),
        ([BEGIN, CONTINUED, LAYER_KEY], "frame 5 of a layer after that of the base"),
    ],
)
def test_writer_refuses(items: list[Packet], message: str) -> None:
    writer = StreamWriter(io.BytesIO(), replace(HEADER, windows=1))
    for item in items[:-1]:
        writer.write(item)
    before = replace(writer.sizes)
    with pytest.raises(CorruptStream, match=message):
        writer.write(items[-1])
    assert writer.sizes == before


def test_layers_over_a_run() -> None:
    items = (BEGIN, LAYER_KEY, LayerPacket(1, WindowEnd(6)), CONTINUED, LATE)
    header = replace(HEADER, windows=1)
    assert tuple(packets(read_stream(write_stream(items, END_PTS, header)))[:-1]) == items


def test_writer_holds_to_the_limits() -> None:
    writer = StreamWriter(io.BytesIO(), HEADER)
    with pytest.raises(LimitExceeded, match="4097 frames"):
        writer.write(RunPacket(0, regular(0, 4097), (b"u",) * 513, hold=8))
    with pytest.raises(LimitExceeded, match="layer packet of"):
        writer.write(RunPacket(0, (0,), (bytes(1 << 20),)))
    writer.write(RunPacket(0, regular(0, 4096), (b"u",) * 512, hold=8))


@pytest.mark.parametrize(
    "change",
    [
        {"pts": ()},
        {"pts": (0, 1, 2, 2, 3)},
        {"units": units(2)},
        {"units": units(4)},
        {"units": (b"u", b"", b"u")},
        {"hold": 0},
        {"hold": 33},
        {"first_frame": -1},
        {"restoration": 4},
        {"begins": False},  # with a restoration
        {"begins": False, "restoration": 0, "restores_each": True},
    ],
)
def test_run_packet_rules(change: dict[str, object]) -> None:
    with pytest.raises(CorruptStream):
        replace(BEGIN, **change)
