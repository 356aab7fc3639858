"""Joined recordings: picture and sound move together."""

from __future__ import annotations

import io
from fractions import Fraction

import av
import numpy as np
import pytest

from imfcodec.media import AudioPacketOut, MediaReader, PictureFrame
from imfcodec.media.splice import Splicer

FPS, RATE = 25, 48000


def recording(seconds: float, sound_s: float, event_s: float, offset_s: float = 0.0) -> bytes:
    """An MPEG transport stream: a white picture and the begin of a tone at `event_s`."""
    file = io.BytesIO()
    with av.open(file, "w", format="mpegts") as out:
        video = out.add_stream("libx264", rate=FPS, width=64, height=64, options={"bf": "0"})
        video.pix_fmt = "yuv420p"
        audio = out.add_stream("mp2", rate=RATE, layout="mono")
        begin = round(offset_s * FPS)
        for n in range(int(seconds * FPS)):
            level = 255 if n == round(event_s * FPS) else 16
            frame = av.VideoFrame.from_ndarray(
                np.full((64, 64, 3), level, np.uint8), format="rgb24"
            )
            frame.pts = begin + n
            out.mux(video.encode(frame))
        time = np.arange(int(sound_s * RATE)) / RATE
        tone = np.where(time >= event_s, 0.5 * np.sin(2 * np.pi * 440 * time), 0)
        samples = (tone * 32767).astype(np.int16)
        for n in range(len(samples) // 1152):
            block = av.AudioFrame.from_ndarray(
                samples[None, 1152 * n : 1152 * (n + 1)], format="s16", layout="mono"
            )
            block.sample_rate, block.pts = RATE, round(offset_s * RATE) + 1152 * n
            out.mux(audio.encode(block))
        out.mux(video.encode(None))
        out.mux(audio.encode(None))
    return file.getvalue()


def heard(data: bytes) -> tuple[list[float], list[float], list[str]]:
    """Times of the white pictures and of the tones' begins, and the warnings."""
    flashes, packets = [], []
    with MediaReader(io.BytesIO(data), audio="opus") as media:
        for event in media.events():
            if isinstance(event, PictureFrame):
                if event.rgb.mean() > 200:
                    flashes.append(float(event.pts * media.info.time_base))
            else:
                packets.append(event)
        tones = begins(packets, media)
        return flashes, tones, media.warnings


def begins(packets: list[AudioPacketOut], media: MediaReader) -> list[float]:
    parameters = media.audio_parameters
    assert parameters is not None
    decoder = av.CodecContext.create("libopus", "r")
    decoder.extradata = parameters.extradata
    found, loud = [], False
    for packet in packets:
        for frame in decoder.decode(av.Packet(packet.data)):
            samples = np.abs(frame.to_ndarray()[0].astype(float))
            samples /= 1 if "flt" in frame.format.name else 32768
            over = np.flatnonzero(samples > 0.1)
            if len(over) and not loud:
                found.append((packet.pts - parameters.pre_skip + over[0]) / RATE)
            loud = bool(len(over))
    return found


@pytest.mark.parametrize("first_sound_s", [2.0, 1.24, 2.4])
def test_a_second_recording_is_in_sync(first_sound_s: float) -> None:
    data = recording(2, first_sound_s, 1) + recording(2, 2, 1)
    flashes, tones, warnings = heard(data)
    assert flashes == pytest.approx([1, 3], abs=0.001)
    # Where the first tone runs into the second recording, only the first begin is heard.
    assert tones[0] == pytest.approx(1, abs=0.02)
    assert tones[-1] == pytest.approx(3, abs=0.02)
    assert any("restarted once" in warning for warning in warnings)


def test_a_long_gap_is_closed_for_both() -> None:
    data = recording(2, 2, 1) + recording(2, 2, 1, offset_s=60)
    flashes, tones, warnings = heard(data)
    assert flashes == pytest.approx([1, 3], abs=0.05)
    assert np.subtract(tones, flashes) == pytest.approx([0, 0], abs=0.02)
    (gap,) = [warning for warning in warnings if "gap" in warning]
    assert "58.0 s" in gap or "57.9" in gap or "58.1" in gap


def test_a_short_gap_stays() -> None:
    data = recording(2, 2, 1) + recording(2, 2, 1, offset_s=8)
    flashes, tones, warnings = heard(data)
    assert flashes == pytest.approx([1, 9], abs=0.05)
    assert np.subtract(tones, flashes) == pytest.approx([0, 0], abs=0.02)
    assert not any("gap" in warning or "restarted" in warning for warning in warnings)


def test_a_picture_that_stands_still_while_people_talk_is_no_gap() -> None:
    """A screen recording: 30 s without a new picture, and sound all along."""
    file = io.BytesIO()
    with av.open(file, "w", format="matroska") as out:
        video = out.add_stream("libx264", rate=FPS, width=64, height=64, options={"bf": "0"})
        video.pix_fmt = "yuv420p"
        video.codec_context.time_base = Fraction(1, 1000)
        audio = out.add_stream("pcm_s16le", rate=RATE, layout="mono")
        for at_s in (0, 1, 31, 32):
            frame = av.VideoFrame.from_ndarray(np.full((64, 64, 3), 99, np.uint8), format="rgb24")
            frame.pts, frame.time_base = 1000 * at_s, Fraction(1, 1000)
            out.mux(video.encode(frame))
        out.mux(video.encode(None))
        for n in range(33):
            block = av.AudioFrame.from_ndarray(
                np.zeros((1, RATE), np.int16), format="s16", layout="mono"
            )
            block.sample_rate, block.pts = RATE, RATE * n
            out.mux(audio.encode(block))
        out.mux(audio.encode(None))
    with MediaReader(io.BytesIO(file.getvalue()), audio="opus") as media:
        pts = [e.pts for e in media.events() if isinstance(e, PictureFrame)]
        assert pts == [0, 1000, 31000, 32000]
        assert not media.warnings


class Source:
    """Packets with timestamps, as a splicer sees them."""

    def __init__(self, stream_index: int, dts: int | None, pts: int, duration: int) -> None:
        self.stream_index, self.dts, self.pts, self.duration = stream_index, dts, pts, duration
        self.time_base, self.size = Fraction(1, 1000), 1


def spliced(packets: list[Source], *, closes_gaps: bool = False) -> tuple[list[Source], Splicer]:
    splicer = Splicer(0, Fraction(1, 25), closes_gaps=closes_gaps)
    out = [moved for packet in packets for moved in splicer.push(packet)]
    return [*out, *splicer.finish()], splicer


def both(seconds: int = 20) -> list[Source]:
    packets = []
    for n in range(25 * seconds):
        packets.append(Source(0, 40 * n, 40 * n, 40))
        packets += [Source(1, 40 * n + 20 * k, 40 * n + 20 * k, 20) for k in range(2)]
    return packets


@pytest.mark.parametrize("closes_gaps", [False, True])
@pytest.mark.parametrize("off_s", [3600, 30, 12, -1, -3])
@pytest.mark.parametrize("place", [600, 601], ids=["picture", "sound"])
def test_one_wrong_timestamp_moves_nothing_else(place: int, off_s: int, closes_gaps: bool) -> None:
    packets, right = both(), both()
    packets[place].pts += 1000 * off_s
    packets[place].dts += 1000 * off_s
    out, splicer = spliced(packets, closes_gaps=closes_gaps)
    for index in (0, 1):
        got = [p.pts for p in out if p.stream_index == index]
        assert got == [p.pts for p in right if p.stream_index == index]
    assert (splicer.restarts, splicer.strays, splicer.gaps_s) == (0, 1, [])


def test_pictures_without_dts_at_the_beginning_are_no_restart() -> None:
    """As Matroska has them: the first ones have pts alone, which lie ahead."""
    packets = [Source(0, None, pts, 400) for pts in (0, 1600, 800)]
    packets += [Source(0, 400 * n, 400 * n + 800, 400) for n in range(1, 20)]
    out, splicer = spliced(packets)
    assert [p.pts for p in out] == [0, 1600, 800, *(400 * n + 800 for n in range(1, 20))]
    assert (splicer.restarts, splicer.strays) == (0, 0)


def test_a_gap_that_is_meant_stays() -> None:
    packets = [Source(0, 1000 * t, 1000 * t, 0) for t in (0, 1, 31, 32, 70)]
    out, splicer = spliced(packets)
    assert [p.pts for p in out] == [0, 1000, 31_000, 32_000, 70_000]
    assert (splicer.gaps_s, splicer.strays) == ([], 0)
