"""Damage to predicted key frames and to what they are predicted from stays where it is."""

from __future__ import annotations

import functools
import io
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

import imfcodec
from imfcodec.bitstream import (
    Damage,
    KeyPacket,
    Limits,
    Packet,
    PredictedKeyPacket,
    StreamReader,
    TokenPacket,
    write_header,
)
from imfcodec.bitstream.framing import SYNC_MARK, write_frame
from imfcodec.bitstream.packets import TYPE_END, TYPE_KEY, TYPE_PREDICTED_KEY, TYPE_TOKENS
from imfcodec.bitstream.payloads import write_end, write_key, write_predicted_key, write_tokens
from imfcodec.bitstream.timeline import Timeline
from imfcodec.codec.pictures import Av1PictureEncoder
from imfcodec.config import NO_LIMIT_S, EncodeOptions
from imfcodec.errors import CorruptStream, DamagedStream
from imfcodec.receiver.decoder import DecodedFrame
from tests.conftest import moving_picture

from .test_damage import survive

FRAMES = 12


def encoded(video: Path, weights: str, *, chain_keys: bool) -> bytes:
    """Key frame 0, predicted key frames 4 and 8, three tokens behind each."""
    file = io.BytesIO()
    report = imfcodec.encode(
        video,
        file,
        weights=weights,
        key_crf=30,
        keyframe_interval_s=0.16,
        choose_keys=False,
        chain_keys=chain_keys,
        look_ahead=False,
        layout="whole",
        mode="imf",
    )
    assert (report.key_frames, report.predicted_key_frames) == (3, 2)
    return file.getvalue()


@pytest.fixture
def stream(small_video: Path, tiny_weights: str) -> bytes:
    """Both predicted key frames are coded from the base."""
    return encoded(small_video, tiny_weights, chain_keys=False)


@pytest.fixture
def chained(small_video: Path, tiny_weights: str) -> bytes:
    """The second predicted key frame is coded from the first one as well."""
    return encoded(small_video, tiny_weights, chain_keys=True)


def rewritten(
    stream: bytes, change: Callable[[Packet], Packet | None], *, marks: bool = False
) -> bytes:
    """The stream with its packets changed or left out, whatever a writer would say to that."""
    reader = StreamReader(io.BytesIO(stream))
    data = write_header(reader.header)
    timeline = Timeline(reader.header.nominal_duration)
    for packet in reader:
        assert not isinstance(packet, Damage)
        changed = change(packet)
        match changed:
            case KeyPacket():
                with_mark = marks and changed.frame_number > 0
                data += write_frame(TYPE_KEY, write_key(changed, timeline), with_mark=with_mark)
            case PredictedKeyPacket():
                payload = write_predicted_key(changed, timeline)
                data += write_frame(TYPE_PREDICTED_KEY, payload, with_mark=False)
            case TokenPacket():
                data += write_frame(TYPE_TOKENS, write_tokens(changed, timeline), with_mark=False)
            case None:
                pass
            case _:
                data += write_frame(TYPE_END, write_end(changed, timeline), with_mark=False)
        match changed or packet:
            case KeyPacket(number, pts):
                timeline.anchor(number, pts)
            case PredictedKeyPacket(number, pts):
                timeline.pass_predicted_key(number, pts)
            case TokenPacket(number, stamps):
                timeline.pass_frames(number, len(stamps))
    return data


def frames_of(data: bytes) -> list[DecodedFrame]:
    return list(imfcodec.Decoder(io.BytesIO(data)))


def assert_lost(stream: bytes, data: bytes, lost: range) -> None:
    """Just these frames are lost and repeat the one before; the others are as they were."""
    whole, frames = frames_of(stream), frames_of(data)
    assert [f.pts for f in frames] == [f.pts for f in whole]
    assert [f.number for f in frames if f.lost] == list(lost)
    for frame, original in zip(frames, whole, strict=True):
        shown = whole[lost.start - 1].rgb if frame.lost else original.rgb
        assert np.array_equal(frame.rgb, shown)


def test_a_stream_that_is_only_rewritten_is_the_same(stream: bytes) -> None:
    assert rewritten(stream, lambda packet: packet) == stream
    assert_lost(stream, stream, range(0))


def test_truncation(stream: bytes) -> None:
    counts = [survive(stream[:n]) for n in range(0, len(stream), 7)]
    whole = [c for c in counts if c is not None]
    assert whole == sorted(whole)
    assert survive(stream) == FRAMES


def test_bit_flips_behind_the_base(stream: bytes) -> None:
    rng = np.random.default_rng(0)
    reader = StreamReader(io.BytesIO(stream))
    next(reader)
    for position in range(reader.sizes.total_bytes, len(stream), 5):
        data = bytearray(stream)
        data[position] ^= 1 << int(rng.integers(8))
        survive(bytes(data))


def predicted_4(
    change: Callable[[PredictedKeyPacket], PredictedKeyPacket | None],
) -> Callable[[Packet], Packet | None]:
    """Changes predicted key frame 4 only."""

    def apply(packet: Packet) -> Packet | None:
        hit = isinstance(packet, PredictedKeyPacket) and packet.frame_number == 4
        return change(packet) if hit else packet

    return apply


@pytest.mark.parametrize(
    "change",
    [
        lambda p: None,
        lambda p: replace(p, origin=3),
        lambda p: replace(p, origin=4),
        lambda p: replace(p, token=b"\xff" * 40),
        lambda p: replace(p, picture=b""),
        lambda p: replace(p, picture=b"\xff" * 40),
        lambda p: replace(p, picture=p.picture[:-20]),
        lambda p: replace(p, picture=p.picture + b"\x12\x00" + p.picture),
    ],
    ids=["cut out", "no base", "itself", "token", "empty", "garbage", "cut", "two pictures"],
)
def test_a_lost_predicted_key_frame_costs_the_frames_up_to_the_next(
    stream: bytes, change: Callable[[PredictedKeyPacket], PredictedKeyPacket | None]
) -> None:
    data = rewritten(stream, predicted_4(change))
    assert_lost(stream, data, range(4, 8))


def test_predicted_key_frames_name_their_origin(stream: bytes, chained: bytes) -> None:
    for data, expected in (stream, [0, 0]), (chained, [0, 4]):
        packets = list(StreamReader(io.BytesIO(data)))
        assert [p.origin for p in packets if isinstance(p, PredictedKeyPacket)] == expected
        assert_lost(data, data, range(0))


@pytest.mark.parametrize(
    "change",
    [
        lambda p: None,
        lambda p: replace(p, origin=9),
        lambda p: replace(p, token=b"\xff" * 40),
        lambda p: replace(p, picture=b""),
    ],
    ids=["cut out", "no origin", "token", "empty"],
)
def test_a_lost_link_of_a_chain_costs_the_frames_up_to_the_next_base(
    chained: bytes, change: Callable[[PredictedKeyPacket], PredictedKeyPacket | None]
) -> None:
    assert_lost(chained, rewritten(chained, predicted_4(change)), range(4, FRAMES))


def test_the_end_of_a_chain_costs_no_more_than_itself(chained: bytes) -> None:
    def change(packet: Packet) -> Packet | None:
        hit = isinstance(packet, PredictedKeyPacket) and packet.frame_number == 8
        return replace(packet, picture=packet.picture[:-20]) if hit else packet

    assert_lost(chained, rewritten(chained, change), range(8, FRAMES))


def test_no_chain_is_longer_than_the_limit(stream: bytes, chained: bytes) -> None:
    two = Limits(max_key_chain=2)
    assert len(list(imfcodec.Decoder(io.BytesIO(stream), limits=two))) == FRAMES
    decoder = imfcodec.Decoder(io.BytesIO(chained), limits=two)
    assert [f.number for f in decoder if f.lost] == list(range(8, FRAMES))
    assert any("more than 2 key pictures" in damage for damage in decoder.report.damage)


def test_a_wrong_checksum_in_a_predicted_key_packet_costs_no_more(
    stream: bytes, tmp_path: Path
) -> None:
    reader = StreamReader(io.BytesIO(stream))
    next(packet for packet in reader if isinstance(packet, PredictedKeyPacket))
    data = bytearray(stream)
    data[reader.sizes.total_bytes - 10] ^= 1
    assert_lost(stream, bytes(data), range(4, 8))
    with pytest.raises(DamagedStream) as caught:
        imfcodec.decode(io.BytesIO(bytes(data)), tmp_path / "a.mkv")
    assert caught.value.report.lost == [(4, 7)]
    assert caught.value.report.predicted_key_frames == 1


def test_tokens_take_no_other_key_frame_for_theirs(stream: bytes) -> None:
    """They name frame 4, which is cut out, and do not lean on frame 0, which is there."""

    def change(packet: Packet) -> Packet | None:
        if isinstance(packet, TokenPacket) and packet.first_frame == 5:
            return replace(packet, key=4)
        return packet if getattr(packet, "frame_number", None) != 4 else None

    assert_lost(stream, rewritten(stream, change), range(4, 8))


def test_tokens_that_name_an_older_key_frame_are_lost(stream: bytes) -> None:
    def change(packet: Packet) -> Packet | None:
        hit = isinstance(packet, TokenPacket) and packet.first_frame == 5
        return replace(packet, key=0) if hit else packet

    assert_lost(stream, rewritten(stream, change), range(5, 8))


def test_timestamps_that_hang_on_a_lost_key_frame_do_no_harm(stream: bytes) -> None:
    """Frame 4 and later ones come early; without it, tokens 5 to 7 seem later than frame 8."""

    def early_ticks(number: int) -> int:
        return 700 if number >= 8 else 400 if number >= 4 else 0

    def earlier(packet: Packet) -> Packet:
        match packet:
            case PredictedKeyPacket(number, pts):
                return replace(packet, pts=pts - early_ticks(number))
            case TokenPacket(first, stamps):
                return replace(packet, pts=tuple(pts - early_ticks(first) for pts in stamps))
        return packet

    early = rewritten(stream, earlier)
    data = rewritten(early, predicted_4(lambda p: None))
    whole, frames = frames_of(early), frames_of(data)
    assert [f.pts for f in whole] == [512 * n - early_ticks(n) for n in range(FRAMES)]
    assert [(f.number, f.pts) for f in frames if not f.lost] == [
        (f.number, f.pts) for f in whole if f.number not in range(4, 8)
    ]


def test_nothing_is_predicted_from_a_lost_base(stream: bytes, tmp_path: Path) -> None:
    def change(packet: Packet) -> Packet | None:
        return replace(packet, picture=b"\xff") if isinstance(packet, KeyPacket) else packet

    data = rewritten(stream, change)
    assert frames_of(data) == []
    with pytest.raises(CorruptStream, match="no frame can be rebuilt"):
        imfcodec.decode(io.BytesIO(data), tmp_path / "a.mkv")
    assert list(tmp_path.glob("*a.mkv*")) == []


def test_lost_frames_at_the_end_of_a_truncated_stream_are_reported(stream: bytes) -> None:
    data = rewritten(stream, predicted_4(lambda p: None))
    reader = StreamReader(io.BytesIO(data))
    next(p for p in reader if isinstance(p, TokenPacket) and p.first_frame == 5)
    decoder = imfcodec.Decoder(io.BytesIO(data[: reader.sizes.total_bytes]))
    assert len(list(decoder)) == 4
    assert decoder.report.lost == [(4, 7)]


@pytest.mark.parametrize("size", [(96, 96), (64, 32)])
def test_a_picture_of_another_size_costs_only_its_own_frames(
    stream: bytes, tmp_path: Path, size: tuple[int, int]
) -> None:
    """A larger one is no picture to dav1d, a smaller one is refused."""
    other = Av1PictureEncoder(*size).encode(moving_picture(0, *size), 50)
    picture = other.config + other.data
    data = rewritten(stream, predicted_4(lambda p: replace(p, picture=picture)))
    assert_lost(stream, data, range(4, 8))
    report = imfcodec.decode(io.BytesIO(data), tmp_path / "a.mkv", conceal=True)
    assert (report.frames, report.lost) == (FRAMES, [(4, 7)])
    with pytest.raises(DamagedStream):
        imfcodec.decode(io.BytesIO(data), tmp_path / "b.mkv")


def test_an_independent_picture_of_another_size_costs_all_up_to_the_next(
    small_video: Path, tiny_weights: str
) -> None:
    file = io.BytesIO()
    imfcodec.encode(
        small_video,
        file,
        weights=tiny_weights,
        keyframe_interval_s=0.16,
        predict_keys=False,
        choose_keys=False,
        look_ahead=False,
        layout="whole",
        mode="imf",
    )
    small = Av1PictureEncoder(64, 32).encode(moving_picture(0, 64, 32), 50)

    def change(packet: Packet) -> Packet:
        if isinstance(packet, KeyPacket) and packet.frame_number == 4:
            return replace(packet, picture=small.data, config=small.config)
        return packet

    assert_lost(file.getvalue(), rewritten(file.getvalue(), change, marks=True), range(4, 8))


def packet_bytes(stream: bytes) -> list[bytes]:
    """Header, and each packet."""
    reader = StreamReader(io.BytesIO(stream))
    ends = [0, reader.sizes.total_bytes, *(reader.sizes.total_bytes for _ in reader)]
    return [stream[a:b] for a, b in pairwise(ends)]


def test_any_packet_twice_costs_nothing(stream: bytes, chained: bytes, tmp_path: Path) -> None:
    for name, data in (("plain", stream), ("chained", chained)):
        whole, pieces = frames_of(data), packet_bytes(data)
        for number in range(1, len(pieces)):
            # Only the first key packet of all lacks its mark.
            again = (SYNC_MARK if number == 1 else b"") + pieces[number]
            for later in (number, min(number + 2, len(pieces) - 1)):
                twice = b"".join([*pieces[: later + 1], again, *pieces[later + 1 :]])
                path = tmp_path / f"{name}-{number}-{later}.mkv"
                report = imfcodec.decode(io.BytesIO(twice), path, overwrite=True)
                assert (report.frames, report.lost, report.damage) == (FRAMES, [], [])
                assert any("1 repeated or late packets" in w for w in report.warnings)
                frames = frames_of(twice)
                assert all(np.array_equal(a.rgb, b.rgb) for a, b in zip(whole, frames, strict=True))


def test_packets_in_another_order_lose_only_what_depends_on_them(stream: bytes) -> None:
    whole, pieces = frames_of(stream), packet_bytes(stream)
    for first in range(2, len(pieces) - 1):
        swapped = list(pieces)
        swapped[first : first + 2] = swapped[first : first + 2][::-1]
        decoder = imfcodec.Decoder(io.BytesIO(b"".join(swapped)))
        frames = list(decoder)
        assert [f.pts for f in frames] == sorted({f.pts for f in frames})
        assert len(frames) == FRAMES
        assert decoder.report.lost_frames == sum(f.lost for f in frames) <= 8
        for frame in frames:
            if not frame.lost:
                assert np.array_equal(frame.rgb, whole[frame.number].rgb)


def test_gaps_ask_for_few_pictures(stream: bytes) -> None:
    """Key packets that are 100,000 frames apart."""
    header, key = packet_bytes(stream)[:2]
    reader = StreamReader(io.BytesIO(stream))
    packet = next(reader)
    assert isinstance(packet, KeyPacket)
    data = header + key
    for n in range(1, 20):
        later = replace(packet, frame_number=100_000 * n, pts=512 * 100_000 * n)
        payload = write_key(later, Timeline(reader.header.nominal_duration))
        data += write_frame(TYPE_KEY, payload, with_mark=True)
    decoder = imfcodec.Decoder(io.BytesIO(data))
    assert sum(1 for _ in decoder) < 1600
    assert decoder.report.lost_frames == 19 * 100_000 - 19


@functools.cache
def long_stream(weights: str) -> list[bytes]:
    """Header and packets of 500 frames at low latency; a key packet, then a token packet each."""
    file = io.BytesIO()
    options = EncodeOptions(weights=weights, latency="low", keyframe_interval_s=NO_LIMIT_S)
    with imfcodec.Encoder(file, width=64, height=64, options=options) as encoder:
        for n in range(500):
            encoder.write(moving_picture(n // 40))
    return packet_bytes(file.getvalue())


def test_one_loss_comes_back_in_no_later_packet(tiny_weights: str) -> None:
    """Numbers of eight bits return after 256 frames; a gap must not be taken for one of then."""
    pieces = long_stream(tiny_weights)
    decoder = imfcodec.Decoder(io.BytesIO(b"".join(pieces[:12] + pieces[22:])))
    frames = list(decoder)
    assert [f.pts for f in frames] == list(range(500))
    assert decoder.report.lost == [(11, 24)]  # up to the next packet that leans on no other
    assert decoder.report.warnings == []


@pytest.mark.parametrize(("number", "later"), [(30, 20), (1, 100), (100, 120)])
def test_a_repetition_long_after_costs_nothing(tiny_weights: str, number: int, later: int) -> None:
    pieces = long_stream(tiny_weights)
    again = (SYNC_MARK if number == 1 else b"") + pieces[number]
    place = number + later
    decoder = imfcodec.Decoder(io.BytesIO(b"".join([*pieces[:place], again, *pieces[place:]])))
    assert [f.pts for f in decoder] == list(range(500))
    assert decoder.report.lost == []
    assert decoder.report.warnings == ["1 repeated or late packets were ignored"]
