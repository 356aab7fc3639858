"""A part of a video: which pictures, and what of the sound."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from imfcodec.errors import NoFrames, OptionError
from imfcodec.media import AudioPacketOut, MediaReader, PictureFrame

from .samples import encode, encode_with_click, gradient, rgb_frames


def part(path: Path, begin: str, end: str | None = None) -> tuple[list[PictureFrame], list]:
    with MediaReader(
        path, audio="opus", begin_s=Fraction(begin), end_s=None if end is None else Fraction(end)
    ) as media:
        events = list(media.events())
        assert not media.warnings
    pictures = [e for e in events if isinstance(e, PictureFrame)]
    return pictures, [e for e in events if isinstance(e, AudioPacketOut)]


def test_pictures_of_a_part(tmp_path):
    path = tmp_path / "in.mkv"
    encode(path, rgb_frames(gradient(step=n) for n in range(20)))  # one in 40 ms
    pictures, _ = part(path, "0.2", "0.4")
    assert [p.pts for p in pictures] == [0, 40, 80, 120, 160]
    assert np.array_equal(pictures[0].rgb, gradient(step=5))


def test_the_picture_on_the_screen_comes_first(tmp_path):
    path = tmp_path / "in.mkv"
    times = [0, 100, 20_000, 25_000]
    encode(path, rgb_frames(gradient(step=n) for n in range(4)), pts=times)
    pictures, _ = part(path, "9")
    assert [p.pts for p in pictures] == [0, 11_000, 16_000]
    assert np.array_equal(pictures[0].rgb, gradient(step=1))
    pictures, _ = part(path, "9", "15")
    assert [p.pts for p in pictures] == [0]


def test_seeking_gives_the_same(tmp_path, monkeypatch):
    """H.264 with reordered pictures and few key frames."""
    path = tmp_path / "in.mp4"
    frames = rgb_frames([gradient(step=n % 9) for n in range(500)], "yuv420p")
    encode(path, frames, codec="libx264", options={"g": "60", "bf": "3"})
    sought, _ = part(path, "12", "13")
    monkeypatch.setattr("imfcodec.media.reader._SEEKING_S", 1000)
    read, _ = part(path, "12", "13")
    assert [p.pts for p in sought] == [p.pts for p in read]
    assert len(read) == 25
    assert all(np.array_equal(a.rgb, b.rgb) for a, b in zip(sought, read, strict=True))


def test_sound_of_a_part(tmp_path):
    path = tmp_path / "in.mp4"
    encode_with_click(path, seconds=4.0, event_s=2.0)
    pictures, sound = part(path, "1", "3")
    assert len(pictures) == 50
    assert pictures[25].rgb.mean() > 200  # the flash, a second after the beginning
    end = sound[-1].pts + sound[-1].duration
    assert end / 48000 == pytest.approx(2.0, abs=0.05)
    decoder = av.CodecContext.create("libopus", "r")
    loud = []
    for packet in sound:
        for frame in decoder.decode(av.Packet(packet.data)):
            samples = np.abs(frame.to_ndarray()[0].astype(float))
            samples /= 1 if "flt" in frame.format.name else 32768
            if samples.max() > 0.2:
                loud.append(packet.pts / 48000)
    assert loud[0] == pytest.approx(1.0, abs=0.05)


def test_nothing_there(tmp_path):
    path = tmp_path / "in.mkv"
    encode(path, rgb_frames(gradient(step=n) for n in range(5)))
    with pytest.raises(NoFrames, match="no picture between 7 s and the end"):
        part(path, "7")
    with pytest.raises(OptionError, match="between 3 s and 2 s"):
        part(path, "3", "2")
