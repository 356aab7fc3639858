from __future__ import annotations

import io
from fractions import Fraction

import av
import numpy as np
import pytest

from imfcodec.errors import OptionError, UnsupportedVideo
from imfcodec.media import (
    AudioPacketOut,
    MediaReader,
    MediaWriter,
    OpusParameters,
    PictureFrame,
    opus_packet_samples,
)

from .samples import HEIGHT, WIDTH, encode_with_click, flash_and_click, gradient

SOURCES = {
    "aac": {"audio_codec": "aac"},
    "aac 16k mono": {"audio_codec": "aac", "rate": 16000, "layout": "mono"},
    "sound late": {"audio_delay": Fraction(3, 10)},
    "picture late": {"video_delay": Fraction(3, 10)},
}


def sound(path, mode: str) -> tuple[list[AudioPacketOut], MediaReader]:
    with MediaReader(path, audio=mode) as media:
        return [e for e in media.events() if isinstance(e, AudioPacketOut)], media


def transfer(source, target, mode: str) -> None:
    with (
        MediaReader(source, audio=mode) as media,
        MediaWriter(
            target,
            width=WIDTH,
            height=HEIGHT,
            time_base=media.info.time_base,
            rate=media.info.average_rate,
            audio=media.audio_parameters,
        ) as writer,
    ):
        for event in media.events():
            if isinstance(event, PictureFrame):
                writer.write(event.pts, event.rgb)
            else:
                writer.write_audio(event.pts, event.data, event.duration)


@pytest.mark.parametrize("extension", ["mp4", "mkv", "webm"])
@pytest.mark.parametrize("name", SOURCES)
def test_lips_stay_in_sync_when_transcoded(tmp_path, name, extension):
    source, target = tmp_path / "in.mp4", tmp_path / f"out.{extension}"
    encode_with_click(source, **SOURCES[name])
    transfer(source, target, "opus")
    flash, click, end = flash_and_click(source)
    new_flash, new_click, new_end = flash_and_click(target)
    # The target's clock starts with the picture, or with sound that comes before it.
    lead = 0.3 if name == "picture late" else 0.0
    assert new_flash == pytest.approx(1.0 + lead, abs=0.001 if not lead else 0.03)
    assert new_click - new_flash == pytest.approx(click - flash, abs=0.005)
    assert new_end == pytest.approx(end - (flash - new_flash), abs=0.060)


@pytest.mark.parametrize("extension", ["mp4", "mkv", "webm"])
@pytest.mark.parametrize("name", ["aac", "sound late", "picture late"])
def test_lips_stay_in_sync_when_copied(tmp_path, name, extension):
    source, target = tmp_path / "in.mkv", tmp_path / f"out.{extension}"
    encode_with_click(source, **{**SOURCES[name], "audio_codec": "libopus", "rate": 48000})
    transfer(source, target, "copy")
    flash, click, _ = flash_and_click(source)
    new_flash, new_click, _ = flash_and_click(target)
    assert new_click - new_flash == pytest.approx(click - flash, abs=0.005)


def test_transcoded_packets(tmp_path):
    source = tmp_path / "in.mp4"
    encode_with_click(source)
    packets, media = sound(source, "opus")
    parameters = media.audio_parameters
    assert parameters is not None
    assert (parameters.channels, parameters.sample_rate) == (1, 48000)
    assert parameters.extradata.startswith(b"OpusHead")
    assert 0 < parameters.pre_skip < 2880
    assert packets[0].pts == 0
    assert [packet.pts for packet in packets] == list(range(0, 2880 * len(packets), 2880))
    assert {opus_packet_samples(packet.data) for packet in packets} == {2880}
    heard = sum(packet.duration for packet in packets) - parameters.pre_skip
    assert heard == pytest.approx(2 * 48000, abs=1024)
    rate = 8 * sum(len(packet.data) for packet in packets) / 2
    assert rate < 9000
    assert media.info.audio is not None
    assert media.info.audio.codec == "aac"
    assert media.info.audio.sample_rate == 44100


def heard(packets: list[AudioPacketOut], parameters: OpusParameters) -> np.ndarray:
    """The samples of packets at 48 kHz, without the encoder's delay."""
    decoder = av.CodecContext.create("libopus", "r")
    decoder.extradata = parameters.extradata
    decoder.sample_rate, decoder.layout = 48000, "mono"
    blocks = [b for p in packets for b in decoder.decode(av.Packet(p.data))]
    return np.concatenate([block.to_ndarray().ravel() for block in blocks]).astype(float)


@pytest.mark.parametrize(("bitrate", "kept_hz"), [(6000, 4000), (8000, 4000), (9000, 8000)])
def test_the_bit_rate_limits_the_band(bitrate, kept_hz):
    """White noise keeps its duration, and what Opus takes for a voice at this bit rate."""
    file, rate = io.BytesIO(), 48000
    noise = np.random.default_rng(1).normal(0, 3000, 2 * rate).astype(np.int16)
    with av.open(file, "w", format="matroska") as out:
        video = out.add_stream("libx264", rate=25, width=WIDTH, height=HEIGHT)
        video.pix_fmt = "yuv420p"
        audio = out.add_stream("pcm_s16le", rate=rate, layout="mono")
        for index in range(50):
            out.mux(video.encode(av.VideoFrame.from_ndarray(gradient(), format="rgb24")))
            piece = noise[None, 1920 * index : 1920 * (index + 1)]
            block = av.AudioFrame.from_ndarray(piece, "s16", "mono")
            block.sample_rate, block.time_base, block.pts = rate, Fraction(1, rate), 1920 * index
            out.mux(audio.encode(block))
        for stream in (video, audio):
            out.mux(stream.encode(None))
    file.seek(0)
    with MediaReader(file, audio="opus", audio_bitrate=bitrate) as media:
        packets = [e for e in media.events() if isinstance(e, AudioPacketOut)]
    assert 8 * sum(len(packet.data) for packet in packets) / 2 <= 1.1 * bitrate
    delay = media.audio_parameters.pre_skip
    assert sum(packet.duration for packet in packets) - delay == len(noise)
    samples = heard(packets, media.audio_parameters)
    assert len(samples) == pytest.approx(len(noise), abs=2880)
    power = np.square(np.abs(np.fft.rfft(samples)))
    frequency = np.fft.rfftfreq(len(samples), 1 / rate)
    inside = power[(frequency > 0.5 * kept_hz) & (frequency < 0.9 * kept_hz)].mean()
    outside = power[(frequency > 1.2 * kept_hz) & (frequency < 2 * kept_hz)].mean()
    assert outside < inside / 1000


def test_copied_packets_are_the_same_bytes(tmp_path):
    source = tmp_path / "in.mkv"
    encode_with_click(source, audio_codec="libopus", rate=48000)
    packets, media = sound(source, "copy")
    with av.open(str(source)) as container:
        stream = container.streams.audio[0]
        assert media.audio_parameters.extradata == stream.codec_context.extradata
        assert media.audio_parameters.channels == 2
        original = [bytes(packet) for packet in container.demux(stream) if packet.size]
    assert [packet.data for packet in packets] == original
    assert [packet.pts for packet in packets] == list(range(0, 960 * len(packets), 960))


def test_no_audio_on_request(tmp_path):
    source = tmp_path / "in.mp4"
    encode_with_click(source, seconds=0.4, event_s=0.2)
    packets, media = sound(source, "none")
    assert packets == []
    assert media.audio_parameters is None
    assert media.info.audio is not None


def test_only_opus_is_copied(tmp_path):
    source = tmp_path / "in.mp4"
    encode_with_click(source, seconds=0.4, event_s=0.2)
    with pytest.raises(OptionError, match="aac"):
        MediaReader(source, audio="copy")


def gapped(gap: Fraction) -> io.BytesIO:
    """Pictures for a second; clicks at 0.2 s and 0.6 s, the second one `gap` late."""
    file = io.BytesIO()
    rate = 48000
    with av.open(file, "w", format="matroska") as out:
        video = out.add_stream("libx264", rate=25, width=WIDTH, height=HEIGHT)
        video.pix_fmt = "yuv420p"
        audio = out.add_stream("pcm_s16le", rate=rate, layout="mono")
        track = np.zeros(rate, np.int16)
        for at in (0.2, 0.6):
            start = int(at * rate)
            track[start : start + 240] = 20000 * np.sin(np.arange(240) / 5)
        for index in range(25):
            frame = av.VideoFrame.from_ndarray(gradient(), format="rgb24")
            frame.pts, frame.time_base = index, Fraction(1, 25)
            out.mux(video.encode(frame))
            start = index * 1920
            block = av.AudioFrame.from_ndarray(track[None, start : start + 1920], "s16", "mono")
            block.sample_rate, block.time_base = rate, Fraction(1, rate)
            block.pts = start + (int(gap * rate) if index >= 10 else 0)
            out.mux(audio.encode(block))
        out.mux(video.encode(None))
        out.mux(audio.encode(None))
    file.seek(0)
    return file


@pytest.mark.parametrize("gap", [Fraction(0), Fraction(1, 50), Fraction(1, 2), Fraction(5)])
def test_gaps_in_the_sound_stay_gaps(tmp_path, gap):
    packets, media = sound(gapped(gap), "opus")
    times = [packet.pts for packet in packets]
    assert times == sorted(set(times))
    decoder = av.CodecContext.create("libopus", "r")
    decoder.extradata = media.audio_parameters.extradata
    decoder.sample_rate, decoder.layout = 48000, "mono"
    heard: list[int] = []
    for packet in packets:
        for block in decoder.decode(av.Packet(packet.data)):
            # The decoder skips the encoder's delay, from the first block.
            skipped = 2880 - block.samples
            start = packet.pts - media.audio_parameters.pre_skip + skipped
            samples = np.abs(block.to_ndarray().astype(float)).ravel()
            peak = 1.0 if block.format.name.startswith("flt") else 32768.0
            heard += [start + int(index) for index in np.flatnonzero(samples > 0.25 * peak)[:1]]
    first, last = heard[0] / 48000, heard[-1] / 48000
    assert first == pytest.approx(0.2, abs=0.01)
    assert last == pytest.approx(0.6 + float(gap), abs=0.016)
    # A long gap is not filled: it costs no packets.
    assert len(packets) <= 19 + min(float(gap), 2) / 0.06


def test_two_sound_tracks_are_named(tmp_path):
    path = tmp_path / "in.mkv"
    with av.open(str(path), "w") as out:
        video = out.add_stream("libx264", rate=25, width=WIDTH, height=HEIGHT)
        video.pix_fmt = "yuv420p"
        tracks = [out.add_stream("libopus", rate=48000) for _ in range(2)]
        out.mux(video.encode(av.VideoFrame.from_ndarray(gradient(), format="rgb24")))
        for track in tracks:
            block = av.AudioFrame.from_ndarray(np.zeros((2, 960), np.float32), "fltp", "stereo")
            block.sample_rate = 48000
            out.mux(track.encode(block))
        for stream in (video, *tracks):
            out.mux(stream.encode(None))
    _, media = sound(path, "opus")
    assert any("2 sound tracks" in warning for warning in media.warnings)


@pytest.mark.parametrize(
    ("data", "samples"),
    [
        (b"", 0),
        (bytes([0 << 3]), 480),
        (bytes([1 << 3]), 960),
        (bytes([3 << 3 | 1]), 5760),
        (bytes([12 << 3]), 480),
        (bytes([16 << 3 | 2]), 240),
        (bytes([31 << 3]), 960),
        (bytes([31 << 3 | 3, 3]), 2880),
        (bytes([31 << 3 | 3]), 0),
    ],
)
def test_packet_duration(data, samples):
    assert opus_packet_samples(data) == samples


@pytest.mark.parametrize("extradata", [None, b"", b"OpusHead", b"x" * 19, b"OpusHead" + bytes(11)])
def test_a_broken_header_is_refused(extradata):
    with pytest.raises(UnsupportedVideo):
        OpusParameters.from_extradata(extradata)
