"""Encoders of PyAV's own build, all driven alike.

    clip ─ Sampling ─ RGB to YUV ─ encoder ─ packets ─┬─ elementary stream on disk ─ decoder ─ ...
                                                      └─ counted

Pictures are 8-bit 4:2:0, BT.709, limited range, and tagged as such. The file is an elementary
stream (Annex B, IVF): parameter sets lie in the packets, where they are counted, and no
container has a share in the figures.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import av
import av.error
from av import Packet
from av.container import OutputContainer
from av.video.stream import VideoStream

from imfcodec.arrays import Picture
from imfcodec.bench.clip import Clip
from imfcodec.bench.codecs.anchor import Anchor
from imfcodec.bench.codecs.anchor_colour import LIMITED_RANGE, YuvToRgb
from imfcodec.bench.codecs.codec import Encoded
from imfcodec.bench.codecs.watched import encode_watched
from imfcodec.codec.pictures.obu import TEMPORAL_DELIMITER, split_units
from imfcodec.codec.pictures.scheduling import usual_scheduling
from imfcodec.media import writing
from imfcodec.media.colour import PRIMARIES_BT709, TRANSFER_BT709, Matrix
from imfcodec.media.failures import reading

_PIX_FMT = "yuv420p"
_SVT_AV1 = "libsvtav1"

_START_CODE = re.compile(b"\x00?\x00\x00\x01")
_SUPPLEMENT = 6
_USER_DATA = 5


@dataclass(frozen=True)
class PyAvAnchor(Anchor):
    """One of PyAV's video encoders as a curve of the benchmark."""

    def missing(self) -> str | None:
        """Whether this build of PyAV lacks the encoder."""
        return coder_missing(self.encoder, "w")

    def version(self) -> str:
        """PyAV's release, which fixes its libraries, and the encoder's options."""
        options = " ".join(f"{k}={v}" for k, v in self.options_at("*").items())
        return f"PyAV {av.__version__}, {self.encoder} {options}{self.sampling.label}"

    def encode(self, clip: Clip, setting: str, folder: Path) -> Encoded:
        """Code a whole clip into ``folder``; an encoder that may hang in a process of its own.

        Raises:
            OutputFailed: The encoder or the disk refuses.
            UnsupportedVideo: The clip is not larger than the size to code at.
            InputUnreadable: The clip cannot be read.
        """
        encode = encode_watched if self.encoder == _SVT_AV1 else PyAvAnchor.encode_here
        return encode(self, clip, setting, folder)

    def encode_here(
        self,
        clip: Clip,
        setting: str,
        folder: Path,
        on_packet: Callable[[], object] = lambda: None,
    ) -> Encoded:
        """The same in this process; ``on_packet`` is called for each packet."""
        path = folder / f"{self.name}-{setting}.{self.muxer}"
        size_bytes = key_frames = 0
        with writing(str(path)), av.open(str(path), "w", format=self.muxer) as file:
            stream = self._open(file, clip, setting)
            for packet in self._packets(stream, clip):
                on_packet()
                payload = _payload(packet, self.encoder)
                size_bytes += len(payload)
                key_frames += packet.is_keyframe
                file.mux(_with_payload(packet, payload))
        return Encoded(path, size_bytes, key_frames)

    def _pictures(self, path: Path, clip: Clip) -> Iterator[Picture]:
        to_rgb = YuvToRgb(*self.sampling.size(clip), _PIX_FMT)
        with reading(str(path)), av.open(str(path), format=self.muxer) as file:
            for frame in file.decode(video=0):
                yield to_rgb.convert(frame)

    def _open(self, file: OutputContainer, clip: Clip, setting: str) -> VideoStream:
        rate = self.sampling.rate(clip)
        with usual_scheduling():
            stream = file.add_stream(self.encoder, rate=rate, options=self.options_at(setting))
            assert isinstance(stream, VideoStream)
            context = stream.codec_context
            context.width, context.height = self.sampling.size(clip)
            context.pix_fmt = _PIX_FMT
            stream.time_base = context.time_base = 1 / rate
            context.colorspace = Matrix.BT709
            context.color_trc = TRANSFER_BT709
            context.color_primaries = PRIMARIES_BT709
            context.color_range = LIMITED_RANGE
            file.start_encoding()
        return stream

    def _packets(self, stream: VideoStream, clip: Clip) -> Iterator[Packet[VideoStream]]:
        for frame in self._frames(clip):
            yield from stream.encode(frame)
        yield from stream.encode(None)


def coder_missing(name: str, mode: str) -> str | None:
    """Why this build of PyAV cannot code with an encoder ("w") or decoder ("r")."""
    try:
        av.Codec(name, "w" if mode == "w" else "r")
    except (av.error.FFmpegError, ValueError):
        return f"this build of PyAV ({av.__version__}) has no {name}"
    return None


def _payload(packet: Packet[VideoStream], encoder: str) -> bytes:
    """What of a packet is stored and counted."""
    data = bytes(packet)
    if encoder == _SVT_AV1:
        # MP4 and Matroska leave out temporal delimiters, two bytes a picture; IVF's muxer puts
        # them back.
        return b"".join(unit for kind, unit in split_units(data) if kind != TEMPORAL_DELIMITER)
    if encoder == "libx264" and packet.is_keyframe:
        return b"".join(_without_user_data(data))
    return data


def _without_user_data(data: bytes) -> Iterator[bytes]:
    """The units of an Annex B stream but x264's message of some 600 bytes with its settings."""
    starts = list(_START_CODE.finditer(data))
    ends = [start.start() for start in starts[1:]] + [len(data)]
    for start, end in zip(starts, ends, strict=True):
        if data[start.end()] & 31 != _SUPPLEMENT or data[start.end() + 1] != _USER_DATA:
            yield data[start.start() : end]


def _with_payload(packet: Packet[VideoStream], payload: bytes) -> Packet[Any]:
    if len(payload) == packet.size:
        return packet
    copy: Packet[Any] = Packet(payload)
    copy.stream = packet.stream
    copy.time_base = packet.time_base
    copy.pts, copy.dts, copy.duration = packet.pts, packet.dts, packet.duration
    copy.is_keyframe = packet.is_keyframe
    return copy
