"""A video file or pipe to upright RGB pictures and Opus packets, in one pass.

    demux ─┬─ video packets ─ decode ─ place in time ─ convert, scale ─ turn ──► PictureFrame
           └─ audio packets ─ transcode or copy ───────────────────────────────► AudioPacketOut

The first picture is decoded at once: its time is the origin of both tracks, and only a decoded
frame has the true size, pixel format and rotation. The reader never seeks, so the source may be a
pipe. Memory holds a few frames, whatever the duration.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from itertools import chain
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, Final

import av
from av import Packet, VideoFrame
from av.audio.stream import AudioStream
from av.container import InputContainer
from av.error import FFmpegError
from av.stream import Disposition
from av.video.stream import VideoStream

from imfcodec.errors import InputUnreadable, NoFrames, NoVideoStream, OptionError, UnsupportedVideo
from imfcodec.video.audio import (
    AudioMode,
    AudioPacketOut,
    AudioTrack,
    OpusPassthrough,
    OpusTranscoder,
    check_bitrate,
)
from imfcodec.video.colour import Colour, bit_depth, colour_losses, resolve_colour
from imfcodec.video.convert import Rgb, RgbConverter
from imfcodec.video.failures import reading
from imfcodec.video.info import AudioInfo, MediaInfo
from imfcodec.video.opus import OpusParameters
from imfcodec.video.orientation import Orientation
from imfcodec.video.timing import FrameClock, nominal_duration

MAX_SIDE: Final = 8192
"""Largest width and height that is decoded, in pixels."""

_MAX_EARLY_BYTES: Final = 64 << 20
"""Largest amount of audio before the first picture in the file; it is held in memory."""

DEMUXERS: Final = (
    "mov,matroska,webm,avi,mpegts,mpeg,mpegvideo,m4v,ogg,flv,asf,nut,mxf,ivf,dv,wtv,"
    "yuv4mpegpipe,h264,hevc,av1,obu,mjpeg,gif,apng,wav,mp3,flac,aac"
)
"""Formats that are read: videos, and sound files so that the message for them is clear.

libav has hundreds more. Some accept any text as a video, some open files or addresses that the
input names (playlists), and most would only be a larger target for hostile input.
"""


@dataclass(frozen=True)
class PictureFrame:
    """One picture of the source.

    Attributes:
        pts: ticks of the reader's time base since the first picture; strictly increasing.
        rgb: uint8 [H, W, 3], upright.
        duration: ticks that it is shown according to the source, 0 if the source does not say.
    """

    pts: int
    rgb: Rgb
    duration: int = 0


class MediaReader:
    """Reads one source, once, front to back.

    Attributes:
        info: properties of the source; known from the start.
        audio_parameters: parameters of the Opus packets; None if there will be no audio.
        warnings: what could not be kept or had to be repaired; complete after `events`.
    """

    info: MediaInfo
    audio_parameters: OpusParameters | None
    warnings: list[str]

    def __init__(
        self,
        source: str | Path | BinaryIO,
        *,
        audio: AudioMode | str,
        audio_bitrate: int = 12000,
        size: tuple[int, int] | None = None,
    ) -> None:
        """Open the source and decode its first picture.

        Args:
            source: a path, "-" for standard input, or a binary file object, seekable or not.
            audio: what to do with the sound track.
            audio_bitrate: bits per second of transcoded audio.
            size: (width, height) of the yielded pictures; None keeps the size of the source.
                Scaling and colour conversion are one pass.

        Raises:
            OptionError: an option is out of range, or audio cannot be copied as it is not Opus.
            InputUnreadable: the source is missing, not readable or not a video file.
            NoVideoStream: it has no video; cover art does not count.
            NoFrames: no picture can be decoded.
            UnsupportedVideo: size, pixel format or colour matrix cannot be handled.
        """
        mode = _mode(audio)
        check_bitrate(audio_bitrate)
        if size is not None and not all(0 < side <= MAX_SIDE for side in size):
            raise OptionError(f"a picture cannot be scaled to {size[0]}x{size[1]}")
        self.warnings = []
        self._name = _name(source)
        self._container = _open(source, self._name)
        try:
            self._prepare(mode, audio_bitrate, size)
        except BaseException:
            self.close()
            raise

    def events(self) -> Iterator[PictureFrame | AudioPacketOut]:
        """Yield pictures and audio packets in the order of the file; can be called once.

        Each track is in order; the two are interleaved as in the source.

        Yields:
            `PictureFrame` and `AudioPacketOut`.

        Raises:
            InputUnreadable: the source fails while it is read.
            UnsupportedVideo: a later picture breaks the limits.
        """
        for item in chain(self._early, [self._first], self._items):
            if isinstance(item, VideoFrame):
                yield self._picture(item)
            elif self._track is not None:
                yield from self._track.feed(item)
        if self._track is not None:
            yield from self._track.finish()
        self._summarise()

    def pictures(self) -> Iterator[PictureFrame]:
        """Yield only the pictures of `events`; can be called once.

        Raises:
            InputUnreadable: the source fails while it is read.
            UnsupportedVideo: a later picture breaks the limits.
        """
        return (event for event in self.events() if isinstance(event, PictureFrame))

    def close(self) -> None:
        """Release the decoders and the file; a given file object stays open."""
        self._container.close()

    def __enter__(self) -> MediaReader:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    # Opening

    def _prepare(self, mode: AudioMode, bitrate: int, size: tuple[int, int] | None) -> None:
        self._video = self._choose_video()
        self._audio = self._choose_audio(mode)
        self._damaged = 0
        self._cut_short = ""
        self._converter = RgbConverter()
        self._colours: dict[tuple[str, int, int, int, int, int, int], Colour] = {}
        self._items = self._read()
        self._early, self._first = self._read_first_picture()
        self._orientation = Orientation.of(self._first)
        self._stored_size = (self._first.width, self._first.height)
        self._scaled_size = self._orientation.size(*size) if size else self._stored_size
        self.info = self._describe()
        self._clock = FrameClock(self.info.time_base, self.info.nominal_duration)
        self._warn_about_first_picture()
        self._track = self._open_track(mode, bitrate)
        self.audio_parameters = self._track.parameters if self._track else None

    def _choose_video(self) -> VideoStream:
        streams = [
            stream
            for stream in self._container.streams.video
            if not stream.disposition & Disposition.attached_pic
        ]
        if not streams:
            raise NoVideoStream(f"{self._name}: it has no video")
        if len(streams) > 1:
            self._warn(f"of {len(streams)} video tracks only the first is used")
        video = streams[0]
        if video.codec_context is None:
            raise UnsupportedVideo(f"{self._name}: no decoder is available for its video")
        _check_size(video.codec_context.width, video.codec_context.height)
        # The limit also holds if the size changes later; it is checked before allocating memory.
        video.codec_context.options = {"max_pixels": str(MAX_SIDE * MAX_SIDE)}
        return video

    def _choose_audio(self, mode: AudioMode) -> AudioStream | None:
        streams = self._container.streams.audio
        if not streams:
            return None
        if mode is not AudioMode.NONE and len(streams) > 1:
            self._warn(f"of {len(streams)} sound tracks only the first is kept")
        return streams[0]

    def _open_track(self, mode: AudioMode, bitrate: int) -> AudioTrack | None:
        if self._audio is None or mode is AudioMode.NONE:
            return None
        if self._audio.codec_context is None:
            self._warn("there is no decoder for the sound track; it is left out")
            return None
        origin_s = (self._first.pts or 0) * self.info.time_base
        if mode is AudioMode.COPY:
            return OpusPassthrough(self._audio, origin_s)
        return OpusTranscoder(self._audio, origin_s, bitrate)

    def _read_first_picture(self) -> tuple[list[Packet[Any]], VideoFrame]:
        early: list[Packet[Any]] = []
        size_bytes = 0
        for item in self._items:
            if isinstance(item, VideoFrame):
                return early, item
            early.append(item)
            size_bytes += item.size
            if size_bytes > _MAX_EARLY_BYTES:
                raise UnsupportedVideo(f"{self._name}: audio and video are not interleaved")
        raise NoFrames(f"{self._name}: no picture of the video can be decoded")

    def _describe(self) -> MediaInfo:
        video, frame = self._video, self._first
        time_base = video.time_base or Fraction(1, 90000)
        width, height = self._orientation.size(*self._stored_size)
        aspect = video.sample_aspect_ratio or Fraction(1)
        if self._orientation.transposed:
            aspect = 1 / aspect
        duration_s = None
        if video.duration:
            duration_s = float(video.duration * time_base)
        elif self._container.duration:
            duration_s = self._container.duration / av.time_base
        rate = video.average_rate or None
        return MediaInfo(
            width=width,
            height=height,
            sample_aspect_ratio=aspect,
            time_base=time_base,
            average_rate=rate,
            nominal_duration=nominal_duration(time_base, rate, video.guessed_rate),
            rotation=self._orientation.rotation,
            mirrored=self._orientation.mirrored,
            colour=self._colour(frame),
            bit_depth=bit_depth(frame.format),
            pix_fmt=frame.format.name,
            codec=video.codec_context.name,
            container=self._container.format.name,
            duration_s=duration_s,
            frame_count_hint=video.frames or None,
            audio=self._describe_audio(),
        )

    def _describe_audio(self) -> AudioInfo | None:
        if self._audio is None:
            return None
        context = self._audio.codec_context
        if context is None:
            return AudioInfo("unknown", 0, 0)
        return AudioInfo(context.codec.canonical_name, context.sample_rate, context.channels)

    # Reading

    def _read(self) -> Iterator[VideoFrame | Packet[Any]]:
        """Demux to the end, or to the point where the file is cut off; decode the video."""
        wanted = [self._video, self._audio] if self._audio else [self._video]
        packets = self._container.demux(*wanted)
        while True:
            try:
                packet = next(packets, None)
            except OSError as error:
                raise InputUnreadable(f"{self._name}: {error.strerror or error}") from error
            except FFmpegError as error:
                self._cut_short = str(error.strerror or error)
                break
            if packet is None:
                break
            if not packet.size:
                continue  # an empty packet would signal the end of the stream to the decoder
            if packet.stream_index == self._video.index:
                yield from self._decode(packet)
            else:
                yield packet
        yield from self._decode(None)

    def _decode(self, packet: Packet[Any] | None) -> list[VideoFrame]:
        try:
            return self._video.decode(packet)
        except FFmpegError:
            self._damaged += 1
            return []

    def _picture(self, frame: VideoFrame) -> PictureFrame:
        colour = self._colour(frame)
        if (frame.width, frame.height) != self._stored_size:
            self._warn("the picture size changes within the video; all are scaled to the first")
        with reading(self._name):
            rgb = self._converter.convert(frame, colour, *self._scaled_size)
        pts = self._clock.place(frame.pts)
        return PictureFrame(pts, self._orientation.apply(rgb), frame.duration or 0)

    def _colour(self, frame: VideoFrame) -> Colour:
        """Check that a frame is supported and resolve its colour, once per kind of frame."""
        key = (
            frame.format.name,
            frame.width,
            frame.height,
            frame.colorspace,
            frame.color_trc,
            frame.color_primaries,
            frame.color_range,
        )
        if key not in self._colours:
            _check_size(frame.width, frame.height)
            if not self._converter.can_convert(frame.format):
                raise UnsupportedVideo(f"{self._name}: pixel format {frame.format.name}")
            self._colours[key] = resolve_colour(
                frame.format,
                frame.width,
                frame.height,
                matrix=frame.colorspace,
                transfer=frame.color_trc,
                primaries=frame.color_primaries,
                av_range=frame.color_range,
            )
        return self._colours[key]

    # Warnings

    def _warn(self, message: str) -> None:
        if message not in self.warnings:
            self.warnings.append(message)

    def _warn_about_first_picture(self) -> None:
        frame = self._first
        for loss in colour_losses(self.info.colour):
            self._warn(loss)
        if any(part.is_alpha for part in frame.format.components):
            self._warn("transparency is dropped")
        if frame.interlaced_frame:
            self._warn("the video is interlaced; it is coded as it is, without deinterlacing")
        if not self._orientation.exact:
            self._warn("the rotation is not a multiple of 90 degrees; the nearest is used")

    def _summarise(self) -> None:
        for complaint in self._clock.complaints():
            self._warn(complaint)
        if self._damaged:
            self._warn(f"{self._damaged} damaged video packets were skipped")
        if self._track is not None and self._track.damaged:
            self._warn(f"{self._track.damaged} damaged audio packets were skipped")
        if self._cut_short:
            self._warn(f"the input ends early: {self._cut_short}")


def _mode(audio: AudioMode | str) -> AudioMode:
    try:
        return AudioMode(audio)
    except ValueError:
        choices = ", ".join(AudioMode)
        raise OptionError(f"audio must be one of {choices}, not {audio!r}") from None


def _name(source: str | Path | BinaryIO) -> str:
    if isinstance(source, str | Path):
        return "standard input" if source == "-" else str(source)
    return str(getattr(source, "name", "input"))


def _open(source: str | Path | BinaryIO, name: str) -> InputContainer:
    with reading(name):
        if source == "-":
            if sys.stdin is None:
                raise InputUnreadable("standard input is closed")
            file: str | BinaryIO = sys.stdin.buffer
        elif isinstance(source, str | Path):
            if not Path(source).exists():
                raise InputUnreadable(f"{name}: no such file")
            file = f"file:{source}"  # so that a colon in a path does not mean a protocol
        else:
            file = source
        return av.open(
            file,
            mode="r",
            container_options={"format_whitelist": DEMUXERS, "protocol_whitelist": "file"},
            metadata_errors="replace",
        )


def _check_size(width: int, height: int) -> None:
    if width > MAX_SIDE or height > MAX_SIDE:
        raise UnsupportedVideo(f"a picture of {width}x{height} is over {MAX_SIDE}x{MAX_SIDE}")
