"""Truncation and bit flips over a whole small stream: an imfcodec error or concealment.

Here all key frames are independent; see `test_predicted_keys`.
"""

from __future__ import annotations

import dataclasses
import io
from pathlib import Path

import numpy as np
import pytest

import imfcodec
from imfcodec.bitstream import (
    EndPacket,
    Geometry,
    KeyPacket,
    LayerPacket,
    StreamReader,
    StreamWriter,
    TokenPacket,
    Window,
    WindowEnd,
    frame_pts,
    write_header,
)
from imfcodec.errors import CorruptStream, DamagedStream, ImfcodecError, LimitExceeded


@pytest.fixture
def stream(small_video: Path, tiny_weights: str) -> bytes:
    file = io.BytesIO()
    imfcodec.encode(
        small_video,
        file,
        weights=tiny_weights,
        key_crf=63,
        keyframe_interval_s=0.28,
        predict_keys=False,
        choose_keys=False,
        look_ahead=False,
        quantiser=5,
        layout="whole",
        mode="imf",
    )
    return file.getvalue()


def survive(data: bytes) -> int | None:
    """Frames that come back, None for one of our errors; anything else is raised."""
    try:
        frames = list(imfcodec.Decoder(io.BytesIO(data)))
    except ImfcodecError:
        return None
    stamps = [f.pts for f in frames]
    assert stamps == sorted(set(stamps))
    assert len(frames) < 100
    return len(frames)


def test_truncation_at_every_byte(stream: bytes) -> None:
    counts = [survive(stream[:n]) for n in range(len(stream))]
    assert None in counts  # within the header
    whole = [c for c in counts if c is not None]
    assert whole == sorted(whole)  # what lies before the cut is never lost
    assert survive(stream) == 12


def test_bit_flips(stream: bytes) -> None:
    rng = np.random.default_rng(0)
    for position in range(len(stream)):
        data = bytearray(stream)
        data[position] ^= 1 << int(rng.integers(8))
        survive(bytes(data))


def with_layers(stream: bytes) -> bytes:
    """The stream with two layers of senseless pictures and tokens."""
    reader = StreamReader(io.BytesIO(stream))
    geometry = reader.header.geometry
    window = Window(0, 0, min(geometry.display_width, geometry.display_height), 64)
    file = io.BytesIO()
    writer = StreamWriter(file, dataclasses.replace(reader.header, windows=2))
    number = 0
    for packet in reader:
        if isinstance(packet, EndPacket):
            writer.finish(packet.end_pts)
        elif isinstance(packet, KeyPacket | TokenPacket):
            key = KeyPacket(number, number, b"token", b"picture", b"configuration")
            writer.write(LayerPacket(1, key, window))
            writer.write(LayerPacket(2, key, window))
            writer.write(LayerPacket(1, TokenPacket(number + 1, (number + 1,), b"tokens", None)))
            writer.write(LayerPacket(2, WindowEnd(number + 1)))
            writer.write(packet)
            number += len(frame_pts(packet)) + 1
    return file.getvalue()


def test_bit_flips_in_layers(stream: bytes) -> None:
    layered = with_layers(stream)
    assert survive(layered) == 12
    rng = np.random.default_rng(2)
    for position in range(0, len(layered), 10):
        data = bytearray(layered)
        data[position] ^= 1 << int(rng.integers(8))
        survive(bytes(data))


def test_random_garbage_behind_a_good_header(stream: bytes) -> None:
    rng = np.random.default_rng(1)
    for _ in range(30):
        survive(stream[:40] + rng.integers(0, 256, 300, np.uint8).tobytes())


def test_a_lost_token_packet_is_repeated_and_reported(stream: bytes, tmp_path: Path) -> None:
    """The first key's tokens are damaged: its frames repeat the key frame, the rest is whole."""
    whole = list(imfcodec.Decoder(io.BytesIO(stream)))
    second = stream.index(b"\x00IMK")
    data = bytearray(stream)
    data[second - 8] ^= 0x55
    with pytest.raises(DamagedStream) as caught:
        imfcodec.decode(io.BytesIO(bytes(data)), tmp_path / "a.mkv")
    assert caught.value.report.lost == [(1, 6)]
    assert caught.value.report.frames == 12
    assert (tmp_path / "a.mkv").exists()
    report = imfcodec.decode(io.BytesIO(bytes(data)), tmp_path / "b.mkv", conceal=True)
    assert report.lost == [(1, 6)]
    frames = list(imfcodec.Decoder(io.BytesIO(bytes(data))))
    assert [f.lost for f in frames] == [False] + [True] * 6 + [False] * 5
    assert [f.pts for f in frames] == [f.pts for f in whole]
    for n in range(1, 7):
        assert np.array_equal(frames[n].rgb, frames[0].rgb)
    for n in range(7, 12):
        assert np.array_equal(frames[n].rgb, whole[n].rgb)


def test_truncated_file_decodes_up_to_the_cut(stream: bytes, tmp_path: Path) -> None:
    cut = stream.index(b"\x00IMK")
    with pytest.raises(DamagedStream, match="truncated"):
        imfcodec.decode(io.BytesIO(stream[:cut]), tmp_path / "a.mkv")
    assert len(list(imfcodec.Decoder(io.BytesIO(stream[:cut])))) == 7


def test_nothing_to_show_writes_nothing(stream: bytes, tmp_path: Path) -> None:
    with pytest.raises(CorruptStream, match="no frame"):
        imfcodec.decode(io.BytesIO(stream[:50]), tmp_path / "a.mp4")
    assert list(tmp_path.glob("*a.mp4*")) == []


def test_huge_coded_size_is_refused_before_memory_is_taken(stream: bytes) -> None:
    header = StreamReader(io.BytesIO(stream)).header
    large = dataclasses.replace(header, geometry=Geometry(*[2048] * 6))
    with pytest.raises(LimitExceeded):
        imfcodec.Decoder(io.BytesIO(write_header(large) + stream[60:]))
