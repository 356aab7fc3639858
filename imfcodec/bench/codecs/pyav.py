"""Encoders of PyAV's own build, all driven alike: SVT-AV1, x265, x264, VP9.

    clip ─ Sampling ─ RGB to YUV ─ encoder ─ packets ─┬─ elementary stream on disk ─ decoder ─ ...
                                                      └─ counted

Pictures are 8-bit 4:2:0, BT.709, limited range, and tagged as such. The file is an elementary
stream (Annex B, IVF): parameter sets lie in the packets, where they are counted, and no
container has a share in the figures.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any, ClassVar

import av
import av.error
from av import Packet
from av.container import OutputContainer
from av.video.stream import VideoStream

from imfcodec.bench.clip import Clip, Picture
from imfcodec.bench.codecs.anchor import Anchor
from imfcodec.bench.codecs.anchor_colour import LIMITED_RANGE, YuvToRgb, rgb_to_yuv
from imfcodec.bench.codecs.codec import Encoded
from imfcodec.media import writing
from imfcodec.media.colour import PRIMARIES_BT709, TRANSFER_BT709, Matrix
from imfcodec.media.convert import YuvConverter
from imfcodec.media.failures import reading

_PIX_FMT = "yuv420p"


@dataclass(frozen=True)
class PyAvCodec(Anchor):
    """One of PyAV's video encoders as a curve of the benchmark."""

    encoder: ClassVar[str]
    """The encoder as libav calls it."""
    muxer: ClassVar[str]
    """The elementary stream's format as libav calls it; also the file's ending."""

    @abstractmethod
    def options(self, setting: str) -> tuple[tuple[str, str], ...]:
        """Options of the encoder at one setting."""

    def payload(self, packet: Packet[VideoStream]) -> bytes:
        """What of a packet is stored and counted."""
        return bytes(packet)

    def opening(self) -> AbstractContextManager[None]:
        """Entered while the encoder opens."""
        return nullcontext()

    def missing(self) -> str | None:
        """Whether this build of PyAV lacks the encoder."""
        try:
            av.Codec(self.encoder, "w")
        except (av.error.FFmpegError, ValueError):
            return f"this build of PyAV ({av.__version__}) has no {self.encoder}"
        return None

    def version(self) -> str:
        """PyAV's release, which fixes its libraries, and the encoder's options."""
        options = " ".join(f"{k}={v}" for k, v in self.options("*"))
        return f"PyAV {av.__version__}, {self.encoder} {options}{self.sampling.label}"

    def encode(self, clip: Clip, setting: str, folder: Path) -> Encoded:
        """Code a whole clip into ``folder``.

        Raises:
            OutputFailed: The encoder or the disk refuses.
            UnsupportedVideo: The clip is not larger than the size to code at.
            InputUnreadable: The clip cannot be read.
        """
        path = folder / f"{self.name}-{setting}.{self.muxer}"
        width, height = self.sampling.size(clip)
        tick = 1 / self.sampling.rate(clip)
        yuv = rgb_to_yuv(width, height)
        size_bytes = key_frames = 0
        with writing(str(path)), av.open(str(path), "w", format=self.muxer) as file:
            with self.opening():
                stream = self._open(file, width, height, tick, setting)
            for packet in self._packets(stream, clip, yuv, tick):
                payload = self.payload(packet)
                size_bytes += len(payload)
                key_frames += packet.is_keyframe
                file.mux(_with_payload(packet, payload))
        return Encoded(path, size_bytes, key_frames)

    def decode(self, encoded: Encoded, clip: Clip) -> Iterator[Picture]:
        """The decoded frames at the clip's size.

        Raises:
            InputUnreadable: The file does not decode.
        """
        yield from self.sampling.restore(self._pictures(encoded.path, clip), clip)

    def _pictures(self, path: Path, clip: Clip) -> Iterator[Picture]:
        to_rgb = YuvToRgb(*self.sampling.size(clip), _PIX_FMT)
        with reading(str(path)), av.open(str(path), format=self.muxer) as file:
            for frame in file.decode(video=0):
                yield to_rgb.convert(frame)

    def _open(
        self, file: OutputContainer, width: int, height: int, tick: Fraction, setting: str
    ) -> VideoStream:
        stream = file.add_stream(self.encoder, rate=1 / tick, options=dict(self.options(setting)))
        assert isinstance(stream, VideoStream)
        stream.time_base = tick
        context = stream.codec_context
        context.width, context.height = width, height
        context.pix_fmt = _PIX_FMT
        context.time_base = tick
        context.colorspace = Matrix.BT709
        context.color_trc = TRANSFER_BT709
        context.color_primaries = PRIMARIES_BT709
        context.color_range = LIMITED_RANGE
        file.start_encoding()
        return stream

    def _packets(
        self, stream: VideoStream, clip: Clip, yuv: YuvConverter, tick: Fraction
    ) -> Iterator[Packet[VideoStream]]:
        for number, picture in enumerate(self.sampling.reduce(clip)):
            yield from stream.encode(yuv.convert(picture, number, tick))
        yield from stream.encode(None)


def _with_payload(packet: Packet[VideoStream], payload: bytes) -> Packet[Any]:
    if len(payload) == packet.size:
        return packet
    copy: Packet[Any] = Packet(payload)
    copy.stream = packet.stream
    copy.time_base = packet.time_base
    copy.pts, copy.dts, copy.duration = packet.pts, packet.dts, packet.duration
    copy.is_keyframe = packet.is_keyframe
    return copy
