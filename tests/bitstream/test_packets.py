from __future__ import annotations

import io
from dataclasses import replace
from fractions import Fraction
from itertools import accumulate

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imfcodec.bitstream import (
    AudioPacket,
    EndPacket,
    ExtensionPacket,
    KeyPacket,
    Packet,
    PredictedKeyPacket,
    StreamReader,
    StreamWriter,
    TokenPacket,
    low_bits,
    packets,
)
from imfcodec.bitstream.cursor import Cursor
from imfcodec.bitstream.framing import SYNC_MARK
from imfcodec.bitstream.limits import FORMAT_LIMITS
from imfcodec.bitstream.payloads import read_key, write_key
from imfcodec.bitstream.timeline import Timeline
from imfcodec.errors import CorruptStream, LimitExceeded, OutputFailed

from .samples import END_PTS, HEADER, PACKETS, SOUND_HEADER, read_stream, write_stream


def test_wire_ids() -> None:
    assert SYNC_MARK.hex() == "00494d4b"
    assert {name: getattr(packets, name) for name in dir(packets) if name.startswith("TYPE_")} == {
        "TYPE_KEY": 1,
        "TYPE_TOKENS": 2,
        "TYPE_AUDIO": 3,
        "TYPE_LAYER": 4,
        "TYPE_END": 5,
        "TYPE_PREDICTED_KEY": 6,
        "TYPE_EXTENSION": 7,
    }


GOLDEN = tuple(
    bytes.fromhex(part)
    for part in (
        # signature, version, body length, body (audio), checksum
        "89494d460d0a0a 01 18 11a1b2c3d40808148064800401c4d80202b8020001020a0b 555451d2",
        # key without mark: head, flags, number, pts, token length, token, picture, checksum
        "a901 01 00 d00f 04 746f6b30 70696374757265207a65726f b83dd1e4",
        # tokens, regular: head, count and flag, number, key, tokens, checksum
        "6a 06 01 00 746f6b656e7320312d33 aae48b0a",
        # audio: head, pts, count, sizes, data, checksum
        "9301 ef04 03 060006 6f7075732061 6f7075732062 cd65aa0e",
        # irregular and chained: head, escape, count and flag, number, pts, step, tokens, checksum
        "aa01 00 05 04 d42f 4c 746f6b656e7320342d35206c617465 178ddef5",
        # key: mark, head, flags, number, pts, configuration, token, picture, checksum
        "00494d4b c101 89 06 8840 03636667 04746f6b36 7069637475726520736978 97479cec",
        # extension: head, subtype, data, checksum
        "2f 2a 6e6f7465 ed04b022",
        "6a 04 07 06 746f6b656e7320372d38 789b00fe",
        # predicted key: head, size and flags, number, base, token, picture, checksum
        "9e01 44 09 06 746f6b39 70696374757265206e696e65 6751eeef",
        "5a 02 0a 09 746f6b656e203130 5dbe412b",
        # end: head, frame count, checksum
        "0d 0b 3ab5a563",
    )
)
"""`write_stream()`, one packet a line; the spaces separate fields."""


def test_golden_stream() -> None:
    assert write_stream() == b"".join(GOLDEN)


def test_round_trip_of_every_type() -> None:
    items = read_stream(write_stream())
    assert items[:-1] == list(PACKETS)
    end = items[-1]
    assert isinstance(end, EndPacket)
    assert (end.frame_count, end.end_pts) == (11, END_PTS)


blobs = st.binary(max_size=30)


@st.composite
def streams(draw: st.DrawFn) -> tuple[Fraction, list[Packet], int]:
    """Packets in order: any mixture of key, token, audio and extension packets."""
    duration = draw(st.builds(Fraction, st.integers(1, 5000), st.integers(1, 7)))
    timeline = Timeline(duration)
    items: list[Packet] = []
    links: list[int] = []
    pts = draw(st.integers(-(10**9), 10**9))
    kinds = st.sampled_from(
        ["key", "predicted key", "late key", "tokens", "late tokens", "audio", "extension"]
    )
    for kind in ["key", *draw(st.lists(kinds, max_size=12))]:
        frame = timeline.next_frame
        if kind == "key":
            config = draw(st.none() | blobs)
            token, picture, restoration = draw(blobs), draw(blobs), draw(st.integers(0, 3))
            items.append(KeyPacket(frame, pts, token, picture, config, restoration=restoration))
            timeline.anchor(frame, pts)
            links = [frame]
            pts += 1
        elif kind in ("predicted key", "late key"):
            time = timeline.nominal_key_pts(frame)
            if kind == "late key" or time < pts:
                time = pts + draw(st.integers(0, 2**40))
            whole = low_bits(links[-1]) not in map(low_bits, links[:-1]) and draw(st.booleans())
            links = links if whole else links[:1]
            token, picture, restoration = draw(blobs), draw(blobs), draw(st.integers(0, 3))
            items.append(
                PredictedKeyPacket(
                    frame, time, low_bits(links[-1]), token, picture, restoration=restoration
                )
            )
            timeline.pass_predicted_key(frame, time)
            links = [*links, frame]
            pts = time + 1
        elif kind == "audio":
            blocks = draw(st.lists(blobs, min_size=1, max_size=5))
            items.append(AudioPacket(draw(st.integers(-1000, 2**61)), tuple(blocks)))
        elif kind == "extension":
            items.append(ExtensionPacket(2 * draw(st.integers(0, 2**63 - 1)), draw(blobs)))
        else:
            count = draw(st.integers(1, 40))
            times = tuple(map(timeline.nominal_pts, range(frame, frame + count)))
            rising = all(a < b for a, b in zip((pts - 1, *times), times, strict=False))
            if kind == "late tokens" or not rising:
                steps = draw(st.lists(st.integers(1, 2**40), min_size=count, max_size=count))
                times = tuple(accumulate(steps, initial=pts))[1:]
            lean = draw(st.sampled_from([None, low_bits(timeline.key_frame)]))
            items.append(TokenPacket(frame, times, draw(blobs), lean))
            timeline.pass_frames(frame, count)
            pts = times[-1] + 1
    return duration, items, pts + draw(st.integers(0, 2**40))


@given(streams())
def test_round_trip(stream: tuple[Fraction, list[Packet], int]) -> None:
    duration, items, end_pts = stream
    file = io.BytesIO()
    writer = StreamWriter(file, replace(SOUND_HEADER, nominal_duration=duration))
    for item in items:
        writer.write(item)
    writer.finish(end_pts)
    reader = StreamReader(io.BytesIO(file.getvalue()))
    got = list(reader)
    assert got[: len(items)] == items
    end = got[-1]
    assert isinstance(end, EndPacket)
    assert end.end_pts == end_pts
    assert reader.sizes == writer.sizes
    assert writer.sizes.total_bytes == len(file.getvalue())


def test_regular_timing_is_not_written() -> None:
    """At 29.97 fps in milliseconds; halves round up: frame 15 is 500.5 ms after the first."""
    file = io.BytesIO()
    header = replace(HEADER, time_base=Fraction(1, 1000), nominal_duration=Fraction(1001, 30))
    writer = StreamWriter(file, header)
    writer.write(KeyPacket(0, 7, b"", b""))
    before = writer.sizes.total_bytes
    times = tuple(7 + (2 * n * 1001 + 30) // 60 for n in range(1, 31))
    assert times[14] == 7 + 501
    writer.write(TokenPacket(1, times, b""))
    assert writer.sizes.total_bytes - before == 1 + 1 + 1 + 4
    writer.finish(7 + 1034)
    assert len(file.getvalue()) == writer.sizes.total_bytes
    assert read_stream(file.getvalue())[1] == TokenPacket(1, times, b"")


def test_frame_numbers_beyond_a_byte() -> None:
    items: list[Packet] = [KeyPacket(0, 0, b"", b"")]
    for first in range(1, 1200, 100):
        items.append(TokenPacket(first, tuple(512 * (first + i) for i in range(100)), b""))
    assert read_stream(write_stream(items, end_pts=10**6))[:-1] == items


def test_predicted_keys_of_rounded_pts_shift_nothing() -> None:
    """At 29.97 fps in milliseconds, a key frame each second: all timing is regular throughout."""
    header = replace(HEADER, time_base=Fraction(1, 1000), nominal_duration=Fraction(1001, 30))
    timeline = Timeline(header.nominal_duration)
    timeline.anchor(0, 0)
    stamps = [timeline.nominal_pts(n) for n in range(300)]
    writer = StreamWriter(io.BytesIO(), header)
    writer.write(KeyPacket(0, 0, b"", b""))
    for key in range(0, 300, 30):
        if key:
            before = writer.sizes.total_bytes
            writer.write(PredictedKeyPacket(key, stamps[key], 0, b"", b""))
            assert writer.sizes.total_bytes - before == 1 + 3 + 4
        before = writer.sizes.total_bytes
        writer.write(TokenPacket(key + 1, tuple(stamps[key + 1 : key + 30]), b""))
        assert writer.sizes.total_bytes - before == 1 + 2 + 4


def test_a_late_predicted_key_is_an_anchor() -> None:
    late = [
        KEY,
        PredictedKeyPacket(1, 600, 0, b"", b""),
        TokenPacket(2, (600 + 512, 600 + 1024), b""),
        PredictedKeyPacket(4, 4 * 512, 0, b"", b""),
        TokenPacket(5, (5 * 512,), b""),
    ]
    writer = StreamWriter(io.BytesIO(), HEADER)
    sizes = []
    for item in late:
        before = writer.sizes.total_bytes
        writer.write(item)
        sizes.append(writer.sizes.total_bytes - before)
    assert sizes[1:] == [1 + 3 + 2 + 4, 7, 1 + 3 + 4, 7]
    assert read_stream(write_stream(late, end_pts=3000, header=HEADER))[:-1] == late


def test_sizes_by_kind() -> None:
    file = io.BytesIO()
    writer = StreamWriter(file, SOUND_HEADER)
    writer.write(KeyPacket(0, 0, b"t" * 7, b"p" * 100, config=b"c" * 5))
    writer.write(TokenPacket(1, (512,), b"r" * 20))
    assert writer.sizes.key_bytes == 2 + 100 + 5
    assert writer.sizes.token_bytes == 7 + 20
    before = writer.sizes.total_bytes
    writer.write(AudioPacket(0, (b"a" * 50,)))
    assert writer.sizes.audio_bytes == writer.sizes.total_bytes - before == 50 + 9
    writer.finish(1024)
    assert writer.sizes.total_bytes == len(file.getvalue())


KEY = KeyPacket(0, 0, b"", b"")
PREDICTED = PredictedKeyPacket(1, 1, 0, b"", b"")


@pytest.mark.parametrize(
    ("items", "message"),
    [
        ([TokenPacket(0, (0,), b"")], "must be a key packet"),
        ([AudioPacket(0, (b"",))], "must be a key packet"),
        ([KeyPacket(1, 0, b"", b"")], "frame 1 where frame 0"),
        ([KEY, TokenPacket(2, (1,), b"")], "frame 2 where frame 1"),
        ([KEY, TokenPacket(1, (0,), b"")], "does not rise"),
        ([KEY, KeyPacket(1, -1, b"", b"")], "does not rise"),
        ([KEY, TokenPacket(1, (1,), b"", key=1)], "refers to key frame ...1, the last one is 0"),
        ([KEY, PREDICTED, TokenPacket(2, (2,), b"", key=0)], "...0, the last one is 1"),
        ([PREDICTED], "must be a key packet"),
        ([KEY, replace(PREDICTED, frame_number=2)], "frame 2 where frame 1"),
        ([KEY, replace(PREDICTED, pts=0)], "does not rise"),
        ([KEY, replace(PREDICTED, origin=3)], "...3, the chain is .0."),
        ([KEY, PREDICTED, PredictedKeyPacket(2, 2, 3, b"", b"")], "...3, the chain is .0, 1."),
        ([KEY, EndPacket(1, 1)], "written by finish"),
        ([KEY, AudioPacket(0, (b"",))], "without audio parameters"),
    ],
)
def test_writer_refuses(items: list[Packet], message: str) -> None:
    writer = StreamWriter(io.BytesIO(), HEADER)
    for item in items[:-1]:
        writer.write(item)
    before = replace(writer.sizes)
    with pytest.raises(CorruptStream, match=message):
        writer.write(items[-1])
    assert writer.sizes == before


def test_a_writer_makes_no_chain_longer_than_the_limit() -> None:
    writer = StreamWriter(io.BytesIO(), HEADER)
    writer.write(KEY)
    for number in range(1, 16):
        writer.write(PredictedKeyPacket(number, number, number - 1, b"", b""))
    with pytest.raises(LimitExceeded, match="17 key pictures in a chain"):
        writer.write(PredictedKeyPacket(16, 16, 15, b"", b""))
    writer.write(PredictedKeyPacket(16, 16, 0, b"", b""))
    writer.write(PredictedKeyPacket(17, 17, 16, b"", b""))


def test_a_writer_names_no_origin_that_could_be_another() -> None:
    """After 256 frames the numbers look the same."""
    writer = StreamWriter(io.BytesIO(), HEADER)
    writer.write(KEY)
    writer.write(TokenPacket(1, tuple(range(1, 5)), b"", key=0))
    writer.write(PredictedKeyPacket(5, 5, 0, b"", b""))
    writer.write(TokenPacket(6, tuple(range(6, 261)), b"", key=5))
    writer.write(PredictedKeyPacket(261, 261, 5, b"", b""))
    with pytest.raises(CorruptStream, match="refers to key frame"):
        writer.write(PredictedKeyPacket(262, 262, 5, b"", b""))
    writer.write(PredictedKeyPacket(262, 262, 0, b"", b""))


def test_writer_refuses_what_follows_the_end() -> None:
    writer = StreamWriter(io.BytesIO(), HEADER)
    with pytest.raises(CorruptStream, match="the last frame is at None"):
        writer.finish(0)
    writer.write(KEY)
    with pytest.raises(CorruptStream, match="end at 0"):
        writer.finish(0)
    writer.finish(1)
    with pytest.raises(CorruptStream, match="after the end"):
        writer.write(KeyPacket(1, 1, b"", b""))
    with pytest.raises(CorruptStream, match="has ended"):
        writer.finish(2)


@pytest.mark.parametrize(
    "item",
    [
        KeyPacket(1, 1, b"", bytes(1 << 20)),
        KeyPacket(1, 1, b"", b"", config=bytes(1025)),
        TokenPacket(1, (1,), bytes(256 << 10)),
        TokenPacket(1, tuple(range(1, 4098)), b""),
        AudioPacket(0, (b"",) * 1025),
        PredictedKeyPacket(1, 1, 0, b"", bytes(1 << 20)),
        ExtensionPacket(0, bytes(1 << 20)),
    ],
)
def test_writer_holds_to_the_limits(item: Packet) -> None:
    writer = StreamWriter(io.BytesIO(), SOUND_HEADER)
    writer.write(KEY)
    with pytest.raises(LimitExceeded):
        writer.write(item)


@pytest.mark.parametrize(
    ("kind", "fields"),
    [
        (KeyPacket, (-1, 0, b"", b"")),
        (KeyPacket, (2**48, 0, b"", b"")),
        (KeyPacket, (0, 2**62, b"", b"")),
        (TokenPacket, (0, (), b"")),
        (TokenPacket, (0, (1, 1), b"")),
        (TokenPacket, (0, (1, 2**62), b"")),
        (AudioPacket, (0, ())),
        (EndPacket, (-1, 0)),
        (TokenPacket, (0, (0,), b"", 256)),
        (PredictedKeyPacket, (-1, 0, 0, b"", b"")),
        (PredictedKeyPacket, (0, 2**62, 0, b"", b"")),
        (PredictedKeyPacket, (0, 0, 256, b"", b"")),
        (ExtensionPacket, (-1, b"")),
        (ExtensionPacket, (2**64, b"")),
    ],
)
def test_packet_rules(kind: type[Packet], fields: tuple[object, ...]) -> None:
    with pytest.raises(CorruptStream):
        kind(*fields)  # type: ignore[arg-type]


@pytest.mark.parametrize("flags", [0b000, 0b011, 0b101, 0b111])
def test_reserved_flags_of_a_key_packet(flags: int) -> None:
    timeline = Timeline(Fraction(512))
    payload = bytearray(write_key(KeyPacket(0, 0, b"t", b"p"), timeline))
    assert read_key(Cursor(bytes(payload)), timeline, FORMAT_LIMITS).picture == b"p"
    payload[0] = flags
    with pytest.raises(CorruptStream, match="reserved flags"):
        read_key(Cursor(bytes(payload)), timeline, FORMAT_LIMITS)


def test_disk_full() -> None:
    class Full(io.BytesIO):
        def write(self, data: object, /) -> int:
            raise OSError(28, "No space left on device")

    with pytest.raises(OutputFailed, match="No space left"):
        StreamWriter(Full(), HEADER)


def test_short_writes() -> None:
    class Slow(io.BytesIO):
        def write(self, data: bytes, /) -> int:  # type: ignore[override]
            return super().write(data[:3])

    file = Slow()
    writer = StreamWriter(file, SOUND_HEADER)
    for packet in PACKETS:
        writer.write(packet)
    writer.finish(END_PTS)
    assert file.getvalue() == write_stream()
