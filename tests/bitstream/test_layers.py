"""Window layers over the base."""

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
    StreamReader,
    StreamWriter,
    TokenPacket,
    VideoPacket,
    Window,
    WindowEnd,
    low_bits,
)
from imfcodec.bitstream.framing import SYNC_MARK
from imfcodec.errors import CorruptStream, ImfcodecError, LimitExceeded
from imfcodec.receiver.inspection import inspect

from .samples import HEADER, damages, frame_bytes, packets, read_stream, write_stream

WINDOWS_HEADER = replace(HEADER, windows=2)
WINDOW = Window(left=40, top=20, side=120, coded_side=128)
WHOLE_PICTURE = Window(0, 0, 256, 512)
STEP = 512


def key(number: int, lead: tuple[int, ...] = ()) -> KeyPacket:
    return KeyPacket(number, number, b"token", b"key picture", b"own configuration", lead)


def predicted(number: int, origin: int) -> PredictedKeyPacket:
    return PredictedKeyPacket(number, number, origin, b"token", b"predicted picture")


def tokens(first: int, count: int, key: int | None = None) -> TokenPacket:
    return TokenPacket(first, tuple(range(first, first + count)), b"window tokens", key)


def base(first: int, count: int) -> TokenPacket:
    pts = tuple(STEP * n for n in range(first, first + count))
    return TokenPacket(first, pts, b"base tokens", key=0)


OPEN = LayerPacket(1, key(0), WINDOW)
BASE_KEY = KeyPacket(0, 0, b"tok0", b"picture zero")
PACKETS: tuple[Packet, ...] = (
    OPEN,
    BASE_KEY,
    LayerPacket(1, tokens(1, 3, key=0)),
    LayerPacket(2, key(3, lead=(1, 2)), WHOLE_PICTURE),
    base(1, 3),
    LayerPacket(1, predicted(4, 0), replace(WINDOW, left=136)),
    LayerPacket(2, predicted(4, 3)),
    LayerPacket(1, WindowEnd(5)),
    LayerPacket(2, tokens(5, 1)),
    base(4, 2),
    LayerPacket(1, key(300), WINDOW),  # after frames without a window
    KeyPacket(6, 6 * STEP, b"tok6", b"picture six"),
)
END_PTS = 7 * STEP
STREAM = write_stream(PACKETS, END_PTS, WINDOWS_HEADER)
WHOLE = packets(read_stream(STREAM))


def ends(stream: bytes) -> list[int]:
    """Position after the header and after each packet."""
    reader = StreamReader(io.BytesIO(stream))
    return [reader.sizes.total_bytes, *(reader.sizes.total_bytes for _ in reader)]


ENDS = ends(STREAM)


def test_round_trip_of_every_kind() -> None:
    reader = StreamReader(io.BytesIO(STREAM))
    assert list(reader) == [*PACKETS, EndPacket(7, END_PTS)]
    assert reader.header == WINDOWS_HEADER


def test_golden_layer_packets() -> None:
    coded = [STREAM[ENDS[n] : ENDS[n + 1] - 4].hex(" ") for n in (2, 6, 7, 8)]
    assert coded == [
        # head; layer 1, tokens; count and flag, number, key; tokens
        "8c 01 12 06 01 00 77 69 6e 64 6f 77 20 74 6f 6b 65 6e 73",
        # head; layer 2, predicted key; size and flags, number, origin; token, picture
        "d4 01 26 50 04 03 74 6f 6b 65 6e 70 72 65 64 69 63 74 65 64 20 70 69 63 74 75 72 65",
        "14 15 05",  # head; layer 1, window end; frame
        "84 01 22 03 05 77 69 6e 64 6f 77 20 74 6f 6b 65 6e 73",  # the same, chained
    ]


def test_example_of_the_document() -> None:
    document = Path(bitstream.__file__).with_name("FORMAT.md").read_text(encoding="utf-8")
    section = document[document.index("### 5.7") :]
    line = next(line for line in section.splitlines() if line.startswith("    00 49 4D 4B"))
    items = read_stream(STREAM[: ENDS[2]] + bytes.fromhex(line) + STREAM[ENDS[-2] :])
    assert items[2] == LayerPacket(1, KeyPacket(6, 6, b"\xa1", b"\xd1\xd2", b"\xc0"), WINDOW)
    assert not damages(items)


def test_marks() -> None:
    """Every key packet of a layer has one; that of the base lacks it only as the first packet."""
    marked = [STREAM[a : a + 4] == SYNC_MARK for a in ENDS[:-1]]
    keys = [isinstance(getattr(p, "packet", p), KeyPacket) for p in WHOLE]
    assert marked == keys


def test_sizes() -> None:
    reader = StreamReader(io.BytesIO(STREAM))
    layers = {1: 0, 2: 0}
    before = reader.sizes.total_bytes
    for packet in reader:
        if isinstance(packet, LayerPacket):
            layers[packet.layer] += reader.sizes.total_bytes - before
        before = reader.sizes.total_bytes
    assert reader.sizes.layer_bytes == layers
    assert reader.sizes.total_bytes == len(STREAM)
    assert reader.sizes.key_bytes == 2 + 12 + 11 + 3 * (11 + 17)
    assert reader.sizes.predicted_key_bytes == 2 * 17
    assert reader.sizes.token_bytes == 2 * 4 + 5 * 5 + 2 * 13 + 2 * 11
    assert inspect(io.BytesIO(STREAM)).packets["layer"] == 8


@st.composite
def layered(draw: st.DrawFn) -> list[Packet]:
    """A base and two layers, frame by frame."""
    items: list[Packet] = []
    keys: dict[int, int] = {}  # by layer that has a window
    for n in range(draw(st.integers(1, 20))):
        for layer in (1, 2):
            kinds = ["none", "key", "predicted", "tokens", "chained", "end"]
            kind = draw(st.sampled_from(kinds if layer in keys else kinds[:2]))
            last = keys.get(layer, 0)
            window = Window(draw(st.integers(0, 56)), draw(st.integers(0, 56)), 200, 320)
            match kind:
                case "none":
                    keys.pop(layer, None)
                case "key":
                    items.append(LayerPacket(layer, key(n), window))
                case "predicted":
                    chosen = draw(st.sampled_from([window, None]))
                    items.append(LayerPacket(layer, predicted(n, last), chosen))
                case "tokens" | "chained":
                    lean = last if kind == "tokens" else None
                    items.append(LayerPacket(layer, tokens(n, 1, lean)))
                case "end":
                    del keys[layer]
                    items.append(LayerPacket(layer, WindowEnd(n)))
            if kind in ("key", "predicted"):
                keys[layer] = n
        items.append(base(n, 1) if n else BASE_KEY)
    return items


@given(layered())
def test_round_trip(items: list[Packet]) -> None:
    stream = write_stream(items, 20 * STEP, WINDOWS_HEADER)
    assert packets(read_stream(stream))[:-1] == items


@given(layered(), st.data())
def test_any_damage_is_survived(items: list[Packet], data: st.DataObject) -> None:
    stream = bytearray(write_stream(items, 20 * STEP, WINDOWS_HEADER))
    for _ in range(data.draw(st.integers(1, 4))):
        stream[data.draw(st.integers(ENDS[0], len(stream) - 1))] = data.draw(st.integers(0, 255))
    reader = StreamReader(io.BytesIO(bytes(stream)))
    assert len(list(reader)) <= len(items) + 10
    assert reader.sizes.total_bytes == len(stream)


def test_truncation_at_every_byte() -> None:
    for cut in range(len(STREAM)):
        if cut < ENDS[0]:
            with pytest.raises(ImfcodecError):
                read_stream(STREAM[:cut])
            continue
        items = read_stream(STREAM[:cut])
        assert packets(items) == WHOLE[: sum(end <= cut for end in ENDS[1:])]
        assert damages(items)[0].truncated


def test_every_single_bit_flip() -> None:
    for bit in range(8 * ENDS[0], 8 * len(STREAM)):
        data = bytearray(STREAM)
        data[bit // 8] ^= 1 << bit % 8
        reader = StreamReader(io.BytesIO(bytes(data)))
        items = list(reader)
        hit = sum(end <= bit // 8 for end in ENDS) - 1
        assert [damage.offset for damage in damages(items)] == [ENDS[hit]]
        assert packets(items)[:hit] == WHOLE[:hit]
        assert WHOLE[hit] not in items
        assert reader.sizes.total_bytes == len(STREAM)


LAYER_PACKETS = [n for n, packet in enumerate(PACKETS) if isinstance(packet, LayerPacket)]


@pytest.mark.parametrize("number", LAYER_PACKETS)
def test_a_damaged_layer_packet_costs_no_other(number: int) -> None:
    data = bytearray(STREAM)
    data[ENDS[number + 1] - 6] ^= 1
    items = read_stream(bytes(data))
    [damage] = damages(items)
    assert damage.offset == ENDS[number]
    assert damage.length_bytes == ENDS[number + 1] - ENDS[number]
    assert packets(items) == WHOLE[:number] + WHOLE[number + 1 :]


@pytest.mark.parametrize(("broken", "mark"), [(1, 3), (4, 10), (8, 10)])
def test_a_search_ends_at_the_key_packet_of_a_layer(broken: int, mark: int) -> None:
    start = ENDS[broken]
    items = read_stream(STREAM[:start] + b"\xff" * 6 + STREAM[start + 6 :])
    assert isinstance(items[broken], Damage)
    assert items[:broken] == WHOLE[:broken]
    assert items[broken + 1 :] == WHOLE[mark:]


@pytest.mark.parametrize("number", LAYER_PACKETS)
def test_a_repeated_layer_packet_is_passed_over(number: int) -> None:
    packet = STREAM[ENDS[number] : ENDS[number + 1]]
    for later in ENDS[number + 1 :]:
        reader = StreamReader(io.BytesIO(STREAM[:later] + packet + STREAM[later:]))
        assert list(reader) == WHOLE
        assert reader.repetitions == 1


def test_layer_packets_that_are_alike_and_follow_each_other_are_no_repetition() -> None:
    items: list[Packet] = [OPEN, BASE_KEY]
    items += [LayerPacket(1, tokens(1 + 64 * n, 64, key=0)) for n in range(8)]
    assert packets(read_stream(write_stream(items, STEP, WINDOWS_HEADER)))[:-1] == items


def test_a_late_layer_packet_has_its_own_number() -> None:
    first, second = (LayerPacket(1, tokens(n, 1)) for n in (1, 2))
    stream = write_stream([OPEN, BASE_KEY, first, second], STEP, WINDOWS_HEADER)
    a, b, c = ends(stream)[2:5]
    swapped = stream[:a] + stream[b:c] + stream[a:b] + stream[c:]
    assert packets(read_stream(swapped))[2:4] == [second, first]


def after_keys(payload: bytes, mark: bytes = b"") -> list[Packet | Damage]:
    """What comes out between two good layer packets for a payload of type 4."""
    coded = mark + frame_bytes(bytes([len(payload) << 3 | 4]), payload)
    return read_stream(STREAM[: ENDS[2]] + coded + STREAM[ENDS[2] :])


KEY_PAYLOAD = bytes.fromhex("28147804 09010201c001a1d1d2")


@pytest.mark.parametrize(
    ("payload", "mark", "reason"),
    [
        (b"", b"", "the data ends"),
        (b"\x02\x02\x01\x00", b"", "a packet of kind 2 in layer 0"),
        (b"\x32\x02\x01\x00", b"", "layer 3 of 2"),
        (b"\x10", b"", "a packet of type 0 in a layer"),
        (b"\x13\x00", SYNC_MARK, "a packet of type 3 in a layer"),
        (b"\x14\x12", b"", "a packet of type 4 in a layer"),
        (b"\x17\x00", b"", "a packet of type 7 in a layer"),
        (b"\x15", b"", "the data ends"),
        (b"\x15\x01\x00", b"", "1 bytes too many"),
        (b"\x15\x80\x80\x80\x80\x80\x80\x40", b"", "frame number"),
        (b"\x1a\x28\x14\x78\x04\x02\x01\x00", b"", "a window without a key frame"),
        (b"\x1d\x28\x14\x78\x04\x01", b"", "a window without a key frame"),
        (b"\x11" + KEY_PAYLOAD[4:], SYNC_MARK, "no window"),
        (b"\x19\x28\x14\x78\x01" + KEY_PAYLOAD[4:], SYNC_MARK, "coded side 32"),
        (b"\x19\x28\x14\x78\x11" + KEY_PAYLOAD[4:], SYNC_MARK, "coded side 544"),
        (b"\x19\x28\x14\x07\x04" + KEY_PAYLOAD[4:], SYNC_MARK, "window of 7 pixels"),
        (b"\x19\x89\x01\x00\x78\x04" + KEY_PAYLOAD[4:], SYNC_MARK, "up to 257, 120 leaves"),
        (b"\x1e\x00\x89\x01\x78\x04\x00\x01\x00", b"", "up to 120, 257 leaves"),
        (b"\x19\x28\x14\x78\x04\x01\x01\x02\x01\xa1\xd1", SYNC_MARK, "no configuration"),
        (b"\x19\x28\x14\x78\x04\x09\x01\x04\x01\xc0\x01\xa1", SYNC_MARK, "irregular timing"),
        (b"\x19\x28\x14\x78\x04\x39\x03\x06\x01\xc0\x01\x01\x00", SYNC_MARK, "irregular timing"),
        (b"\x16\x01\x01\x00\x04", b"", "irregular timing"),
        (b"\x12\x00\x02\x01\x00\x04", b"", "irregular timing"),
    ],
)
def test_impossible_layer_packets(payload: bytes, mark: bytes, reason: str) -> None:
    items = after_keys(payload, mark)
    [damage] = damages(items)
    assert damage.reason.startswith("layer packet: ")
    assert reason in damage.reason
    assert packets(items) == WHOLE


@pytest.mark.parametrize(
    ("payload", "mark"), [(b"\x19" + KEY_PAYLOAD, b""), (b"\x12\x02\x01\x00", SYNC_MARK)]
)
def test_misplaced_mark(payload: bytes, mark: bytes) -> None:
    items = after_keys(payload, mark)
    assert damages(items)[0].reason == "no packet begins here"
    assert packets(items) == WHOLE[:2] + WHOLE[3:]


def test_the_first_packet_of_a_layer_has_a_mark() -> None:
    start = ENDS[0]
    for lost in (STREAM[start + 4 :], STREAM[ENDS[2] :]):
        items = read_stream(STREAM[:start] + lost)
        assert damages(items)[0].offset == start


def test_layer_packets_in_a_stream_without_layers() -> None:
    plain = write_stream([BASE_KEY], STEP, HEADER)
    coded = frame_bytes(b"\x14", b"\x15\x01")
    assert damages(read_stream(plain[:-6] + coded + plain[-6:]))[0].reason == (
        "layer packet: layer 1 of 0"
    )


@pytest.mark.parametrize(
    ("limits", "lost"),
    [
        (Limits(max_layer_bytes=20), 0),
        (Limits(max_key_bytes=30), 0),
        (Limits(max_token_bytes=15), 2),
        (Limits(max_predicted_key_bytes=24), 5),
    ],
)
def test_lower_limits(limits: Limits, lost: int) -> None:
    items = list(StreamReader(io.BytesIO(STREAM), limits))
    assert "the limit is" in damages(items)[0].reason
    assert PACKETS[lost] not in items
    with pytest.raises(LimitExceeded, match="2 window layers"):
        StreamReader(io.BytesIO(STREAM), Limits(max_windows=1))


@pytest.mark.parametrize(
    ("items", "message"),
    [
        ([LayerPacket(1, tokens(0, 1))], "no key packet before"),
        ([LayerPacket(1, WindowEnd(0))], "no key packet before"),
        ([OPEN, base(1, 1)], "must be a key packet"),
        ([LayerPacket(3, key(0), WINDOW)], "layer 3 of 2"),
        ([LayerPacket(1, key(0), replace(WINDOW, top=137))], "up to 160, 257 leaves the picture"),
        ([OPEN, LayerPacket(1, tokens(2, 1))], "frame 2 where frame 1"),
        ([OPEN, LayerPacket(1, predicted(2, 0))], "frame 2 where frame 1"),
        ([OPEN, LayerPacket(1, WindowEnd(2))], "frame 2 where frame 1"),
        ([OPEN, OPEN], "frame 0 where frame 1"),
        ([OPEN, LayerPacket(1, tokens(1, 1, key=1))], "...1, the last one is 0"),
        ([OPEN, LayerPacket(1, predicted(1, 5))], "...5, the chain is .0."),
        ([OPEN, LayerPacket(1, WindowEnd(1)), LayerPacket(1, tokens(1, 1))], "no key packet"),
        ([BASE_KEY, OPEN], "frame 0 of a layer after that of the base"),
    ],
)
def test_writer_refuses(items: list[Packet], message: str) -> None:
    writer = StreamWriter(io.BytesIO(), WINDOWS_HEADER)
    for item in items[:-1]:
        writer.write(item)
    before = replace(writer.sizes, layer_bytes=dict(writer.sizes.layer_bytes))
    with pytest.raises(CorruptStream, match=message):
        writer.write(items[-1])
    assert writer.sizes == before


def test_writer_holds_to_the_limits() -> None:
    writer = StreamWriter(io.BytesIO(), WINDOWS_HEADER)
    writer.write(OPEN)
    with pytest.raises(LimitExceeded, match="token packet of"):
        writer.write(LayerPacket(1, TokenPacket(1, (1,), bytes(256 << 10))))
    with pytest.raises(LimitExceeded, match="layer packet of"):
        writer.write(LayerPacket(1, replace(key(1), picture=bytes((1 << 20) - 30)), WINDOW))
    for number in range(1, 16):
        writer.write(LayerPacket(1, predicted(number, low_bits(number - 1))))
    with pytest.raises(LimitExceeded, match="17 key pictures in a chain"):
        writer.write(LayerPacket(1, predicted(16, 15)))


@pytest.mark.parametrize(
    "fields",
    [
        (0, key(0), WINDOW),
        (16, key(0), WINDOW),
        (1, key(0)),
        (1, replace(key(0), config=None), WINDOW),
        (1, tokens(0, 1), WINDOW),
        (1, WindowEnd(0), WINDOW),
        (1, replace(key(0), pts=1), WINDOW),
        (1, replace(key(3), lead=(0, 1)), WINDOW),
        (1, replace(predicted(3, 0), pts=4)),
        (1, TokenPacket(1, (1, 3), b"")),
    ],
)
def test_layer_packet_rules(
    fields: tuple[int, VideoPacket | WindowEnd] | tuple[int, VideoPacket | WindowEnd, Window],
) -> None:
    with pytest.raises(CorruptStream):
        LayerPacket(*fields)


@pytest.mark.parametrize(
    "fields",
    [(-1, 0, 8, 64), (0, -1, 8, 64), (0, 0, 7, 64), (0, 0, 8, 32), (0, 0, 8, 65), (0, 0, 8, 544)],
)
def test_window_rules(fields: tuple[int, int, int, int]) -> None:
    with pytest.raises(CorruptStream):
        Window(*fields)


@pytest.mark.parametrize("number", [-1, 1 << 48])
def test_window_end_rules(number: int) -> None:
    with pytest.raises(CorruptStream):
        WindowEnd(number)
