"""The sound track of the source: transcoded to Opus, or copied.

All timestamps are in samples at 48 kHz on the clock of the pictures: the first picture is at 0.
They include the encoder's delay, as in Ogg and Matroska: the first decoded sample of a packet is
heard at `pts - pre_skip`. The packet that starts with the first picture therefore has pts 0, no
pts is negative, and lip sync is exact to the sample.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from fractions import Fraction
from typing import Final, Protocol

import numpy as np
from av import AudioFrame, AudioResampler, CodecContext, Packet
from av.audio.codeccontext import AudioCodecContext
from av.audio.stream import AudioStream
from av.error import FFmpegError

from imfcodec.errors import OptionError, UnsupportedVideo
from imfcodec.media.downmix import MonoMixer
from imfcodec.media.opus import FRAME_SAMPLES, OpusParameters, opus_packet_samples
from imfcodec.media.timing import AUDIO_RATE, ticks

MIN_BITRATE: Final = 6_000
MAX_BITRATE: Final = 256_000
_MAX_FILL: Final = 2 * AUDIO_RATE
"""Longest gap that is filled with silence; a longer one is left in the timestamps."""

_TRIMMED: Final = AUDIO_RATE // 100
"""10 ms: overlaps from there on are trimmed."""

_JITTER: Final = AUDIO_RATE // 500
"""2 ms: largest error of a timestamp in a container that stores whole milliseconds."""


class AudioMode(StrEnum):
    """What happens to the sound track."""

    OPUS = "opus"
    COPY = "copy"
    NONE = "none"


@dataclass(frozen=True)
class AudioPacketOut:
    """One Opus packet.

    Attributes:
        pts: samples at 48 kHz since the first picture, encoder delay included (see above).
        data: the packet.
        duration: samples at 48 kHz to be heard.
    """

    pts: int
    data: bytes
    duration: int

    @property
    def samples(self) -> int:
        """Samples at 48 kHz that the packet decodes to."""
        return opus_packet_samples(self.data)


class AudioTrack(Protocol):
    """Packets of the source in, Opus packets out."""

    parameters: OpusParameters
    is_over: bool

    def feed(self, packet: Packet[AudioStream]) -> Iterator[AudioPacketOut]:
        """Take one packet of the source, in the order of the file."""
        ...

    def finish(self) -> Iterator[AudioPacketOut]:
        """Take the end of the source."""
        ...

    def complaints(self) -> list[str]:
        """What the result lacks or what was mended, one sentence each; complete at the end."""
        ...


def check_bitrate(bitrate: int) -> None:
    """Refuse a bit rate that Opus cannot hold.

    Args:
        bitrate: bits per second.

    Raises:
        OptionError: it is outside 6 to 256 kbit/s.
    """
    if not MIN_BITRATE <= bitrate <= MAX_BITRATE:
        raise OptionError(
            f"the audio bit rate must be {MIN_BITRATE} to {MAX_BITRATE} bit/s, not {bitrate}"
        )


class OpusTranscoder:
    """Decode, resample to 48 kHz, mix to mono, encode as Opus speech in 60 ms packets.

    libav's `aresample` keeps the sound on its timestamps: it fills gaps of 10 ms or more with
    silence, and trims overlaps. A gap of more than 2 seconds, or a change of the source's format,
    starts a new segment: the encoder continues, and the gap remains in the timestamps.

    Attributes:
        parameters: Opus parameters of the packets.
        is_over: whether sound after the wanted part has come.
    """

    def __init__(
        self, stream: AudioStream, origin_s: Fraction, length_s: Fraction | None, bitrate: int
    ) -> None:
        """Open the encoder.

        Args:
            stream: source, with a decoder.
            origin_s: time in the source that becomes 0, seconds.
            length_s: duration from there on that is kept, seconds; None keeps all.
            bitrate: bits per second.
        """
        self._end = None if length_s is None else ticks(length_s)
        self.is_over = False
        self._damaged = 0
        self._overlap = 0  # samples of the source that came twice
        self._replaced: list[str] = []
        self._decoder = stream.codec_context
        self._time_base = stream.time_base or Fraction(1, AUDIO_RATE)
        self._origin_s = origin_s
        self._expected: int | None = None  # expected position of the source's next sample
        self._written = 0  # end of the samples passed to the encoder
        self._resampler: AudioResampler | None = None
        self._mixer = MonoMixer(["FC"])
        self._source_format: tuple[str, str, int] | None = None
        encoder = CodecContext.create("libopus", "w")
        assert isinstance(encoder, AudioCodecContext)
        encoder.sample_rate = AUDIO_RATE
        encoder.layout = "mono"
        encoder.format = "flt"
        encoder.bit_rate = bitrate
        encoder.time_base = Fraction(1, AUDIO_RATE)
        encoder.options = {
            "application": "voip",
            "frame_duration": str(1000 * FRAME_SAMPLES // AUDIO_RATE),
            "vbr": "on",
        }
        encoder.open()
        self._encoder = encoder
        self.parameters = OpusParameters.from_extradata(encoder.extradata)

    def feed(self, packet: Packet[AudioStream]) -> Iterator[AudioPacketOut]:
        """Take one packet of the source; damaged ones are counted and skipped."""
        yield from self._decode(packet)

    def finish(self) -> Iterator[AudioPacketOut]:
        """Drain decoder, resampler and encoder."""
        yield from self._decode(None)
        yield from self._drain_resampler(pad=False)
        yield from self._packets(None)

    def complaints(self) -> list[str]:
        """Damage, overlaps, and channels that were taken in place of the mix."""
        found = []
        if self._damaged:
            found.append(_skipped(self._damaged))
        if self._overlap > AUDIO_RATE // 10:
            found.append(f"{self._overlap / AUDIO_RATE:.1f} s of overlapping sound were dropped")
        if self._replaced:
            found.append(
                "a mono mix would lose more than 12 dB of the sound; there, channel "
                f"{' and '.join(self._replaced)} is used alone"
            )
        return found

    def _decode(self, packet: Packet[AudioStream] | None) -> Iterator[AudioPacketOut]:
        try:
            frames = self._decoder.decode(packet)
        except FFmpegError:
            self._damaged += 1
            return
        for frame in frames:
            yield from self._take(frame)

    def _take(self, frame: AudioFrame) -> Iterator[AudioPacketOut]:
        if not frame.samples or not frame.sample_rate:
            return
        length = ticks(Fraction(frame.samples, frame.sample_rate))
        position = self._place(frame)
        self.is_over = self._end is not None and position >= self._end
        if position + length <= 0 or self.is_over:
            return
        source_format = (frame.format.name, frame.layout.name, frame.sample_rate)
        gap = position - (self._expected or 0)
        if self._resampler is None or source_format != self._source_format or gap > _MAX_FILL:
            yield from self._drain_resampler(pad=True)
            self._start_segment(frame, position)
            self._source_format = source_format
        elif gap < -_TRIMMED:
            self._overlap -= gap
        self._expected = max(self._expected or 0, position + length)
        frame.pts = position
        frame.time_base = Fraction(1, AUDIO_RATE)
        for block in self._resample(frame):
            yield from self._packets(self._mixed(block))

    def _place(self, frame: AudioFrame) -> int:
        if frame.pts is None:
            return self._expected or 0
        return ticks(frame.pts * self._time_base - self._origin_s)

    def _start_segment(self, frame: AudioFrame, position: int) -> None:
        self._resampler = AudioResampler(
            format="fltp",
            layout=frame.layout,
            rate=AUDIO_RATE,
            frame_size=FRAME_SAMPLES,
            options={
                "async": "1",
                "min_hard_comp": "0.01",
                # Cut samples before this point: of the first frame, or overlapping ones.
                "first_pts": str(max(position, self._written)),
            },
        )
        self._note_mixer()
        self._mixer = MonoMixer([channel.name for channel in frame.layout.channels])

    def _note_mixer(self) -> None:
        self._replaced += [name for name in self._mixer.replaced if name not in self._replaced]

    def _resample(self, frame: AudioFrame) -> list[AudioFrame]:
        assert self._resampler is not None
        try:
            return self._resampler.resample(frame)
        except (FFmpegError, ValueError):  # a channel layout that libav cannot resample
            self._damaged += 1
            self._resampler = None
            return []

    def _drain_resampler(self, *, pad: bool) -> Iterator[AudioPacketOut]:
        if self._resampler is not None:
            for block in self._resampler.resample(None):
                # The encoder must see whole frames inside the track, or it would join segments.
                yield from self._packets(self._mixed(block, pad=pad))
        self._resampler = None
        self._note_mixer()

    def _mixed(self, block: AudioFrame, *, pad: bool = False) -> AudioFrame:
        """Planar samples, mixed to mono; with ``pad``, filled up with silence to a whole packet."""
        samples = self._mixer.mix(np.asarray(block.to_ndarray(), np.float32))[None]
        if pad:
            samples = np.pad(samples, ((0, 0), (0, FRAME_SAMPLES - samples.shape[1])))
        mono = AudioFrame.from_ndarray(
            np.ascontiguousarray(samples, np.float32), format="flt", layout="mono"
        )
        mono.sample_rate = AUDIO_RATE
        mono.pts = block.pts
        mono.time_base = block.time_base
        return mono

    def _packets(self, block: AudioFrame | None) -> Iterator[AudioPacketOut]:
        if block is not None and block.pts is not None:
            self._written = block.pts + block.samples
        for packet in self._encoder.encode(block):
            assert packet.pts is not None
            duration = packet.duration or FRAME_SAMPLES
            yield AudioPacketOut(packet.pts + self.parameters.pre_skip, bytes(packet), duration)


class OpusPassthrough:
    """Opus packets of the source, unchanged, on the clock of the pictures.

    Packets that would start before the first picture are dropped, up to 20 ms of sound.

    Attributes:
        parameters: Opus parameters of the source.
    """

    def __init__(self, stream: AudioStream, origin_s: Fraction, length_s: Fraction | None) -> None:
        """Read the header.

        Args:
            stream: source.
            origin_s: time in the source that becomes 0, seconds.
            length_s: duration from there on that is kept, seconds; None keeps all.

        Raises:
            OptionError: the source is not Opus.
            UnsupportedVideo: the header is missing, or has more than two channels.
        """
        self.is_over = False
        self._end = None if length_s is None else ticks(length_s)
        context = stream.codec_context
        if context.codec.canonical_name != "opus":
            raise OptionError(
                f"only an Opus sound track can be copied, but this one is {context.name}"
            )
        self.parameters = OpusParameters.from_extradata(context.extradata)
        if self.parameters.channels > 2:
            raise UnsupportedVideo("Opus with more than two channels cannot be copied")
        self._damaged = 0
        self._time_base = stream.time_base or Fraction(1, AUDIO_RATE)
        self._origin_s = origin_s
        self._expected = 0

    def feed(self, packet: Packet[AudioStream]) -> Iterator[AudioPacketOut]:
        """Pass one packet on."""
        data = bytes(packet)
        duration = opus_packet_samples(data)
        if not duration:
            self._damaged += 1
            return
        pts = self._expected
        if packet.pts is not None:
            heard = ticks(packet.pts * self._time_base - self._origin_s)
            pts = heard + self.parameters.pre_skip
        if abs(pts - self._expected) <= _JITTER:
            pts = self._expected
        self.is_over = self._end is not None and pts >= self._end
        if pts < 0 or self.is_over:
            return
        if pts < self._expected:
            self._damaged += 1
            return
        self._expected = pts + duration
        yield AudioPacketOut(pts, data, duration)

    def finish(self) -> Iterator[AudioPacketOut]:
        """Nothing is held back."""
        yield from ()

    def complaints(self) -> list[str]:
        """Packets that were dropped."""
        return [_skipped(self._damaged)] if self._damaged else []


def _skipped(count: int) -> str:
    return f"{count} damaged sound packet" + (" skipped" if count == 1 else "s skipped")
