"""A video file or pipe to upright RGB pictures and Opus packets, in one pass.

    demux ─ splice ─┬─ video packets ─ decode ─ filter ─ place in time ─ convert ─ turn
                    │                                                    ─► PictureFrame
                    └─ audio packets ─ transcode or copy ─► AudioPacketOut

The first picture is decoded at once: its time is the origin of both tracks, and only a decoded
frame has the true size, pixel format and rotation. The reader never seeks, so the source may be a
pipe. Memory holds a few frames, whatever the duration.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from fractions import Fraction
from itertools import chain
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, Final

import av
import numpy as np
from av import Packet, VideoFrame
from av.audio.stream import AudioStream
from av.codec.context import CodecContext
from av.container import InputContainer
from av.error import FFmpegError
from av.video.codeccontext import VideoCodecContext
from av.video.stream import VideoStream

from imfcodec.config import AUDIO_BITRATE
from imfcodec.errors import InputUnreadable, NoFrames, NoVideoStream, OptionError, UnsupportedVideo
from imfcodec.media.audio import (
    AudioMode,
    AudioPacketOut,
    AudioTrack,
    OpusPassthrough,
    OpusTranscoder,
    check_bitrate,
)
from imfcodec.media.colour import Colour, bit_depth, resolve_colour
from imfcodec.media.convert import Rgb, RgbConverter
from imfcodec.media.failures import reading
from imfcodec.media.filters import PictureFilter
from imfcodec.media.info import AudioInfo, MediaInfo
from imfcodec.media.opus import OpusParameters
from imfcodec.media.orientation import Orientation
from imfcodec.media.part import Part
from imfcodec.media.signature import head_of, is_iso_media, still_picture
from imfcodec.media.splice import GAP_S, GAPPY, Splicer
from imfcodec.media.timing import AUDIO_RATE, FrameClock, nominal_duration
from imfcodec.media.tracks import choose_audio, choose_video, track_warnings

MAX_SIDE: Final = 8192
"""Largest width and height that is decoded, in pixels."""

_SEEKING_S: Final = 10
"""Everything before a part that begins earlier is read: seeking would gain little."""

_PRIMING_SAMPLES: Final = 2400
"""Samples before the picture that are only the priming of an audio encoder: AAC has up to 2112."""

_LONGEST_LEAD_S: Final = 60
"""Longest sound before the first picture that is kept, seconds: beyond, a timestamp is wrong."""

_INDEX_AT_END: Final = (
    "the index of this MP4 file is at its end, where a pipe cannot go; name the file instead, or "
    "move the index to the front (ffmpeg -movflags +faststart)"
)

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
        pts: ticks of the reader's time base since the first picture or the sound before it;
            strictly increasing.
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
        is_seekable: whether the source is a file, on disk or in memory.
        warnings: what could not be kept or had to be repaired; complete after `events`.
    """

    info: MediaInfo
    audio_parameters: OpusParameters | None
    is_seekable: bool
    warnings: list[str]

    def __init__(
        self,
        source: str | Path | BinaryIO,
        *,
        audio: AudioMode | str,
        audio_bitrate: int = AUDIO_BITRATE,
        size: tuple[int, int] | None = None,
        begin_s: Fraction = Fraction(0),
        end_s: Fraction | None = None,
    ) -> None:
        """Open the source and decode its first picture.

        Args:
            source: a path, "-" for standard input, or a binary file object, seekable or not.
            audio: what to do with the sound track.
            audio_bitrate: bits per second of transcoded audio.
            size: (width, height) of the yielded pictures; None keeps the size of the source.
                Scaling and colour conversion are one pass.
            begin_s: time in the source at which pictures and sound begin, seconds.
            end_s: time in the source at which they end, seconds; None goes to the end.

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
        if begin_s < 0 or (end_s is not None and end_s <= begin_s):
            raise OptionError(f"no video lies between {float(begin_s):g} s and {_seconds(end_s)}")
        self._begin_s, self._end_s = begin_s, end_s
        self.warnings = []
        self._name = _name(source)
        self.is_seekable = is_seekable(source)
        self._is_piped_mp4 = not self.is_seekable and is_iso_media(head_of(source))
        self._container = _open(source, self._name, piped_mp4=self._is_piped_mp4)
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
        for item in chain(self._early, self._waiting, self._items):
            if isinstance(item, Packet):
                if self._track is not None:
                    yield from self._track.feed(item)
            else:
                for pts, frame in self._part.take(self._clock.place(item.pts), item):
                    yield self._picture(pts, frame)
            if self._part.is_over and (self._track is None or self._track.is_over):
                break
        if self._part.is_empty:
            raise NoFrames(
                f"{self._name}: there is no picture between {float(self._begin_s):g} s and "
                f"{_seconds(self._end_s)}"
            )
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
        self._decoder = self._open_decoder()
        self._audio = self._choose_audio(mode)
        self._packets = 0  # of the video
        self._decoded = 0
        self._empty = 0  # packets without a picture
        self._last_pts = -(1 << 62)  # of the latest decoded picture
        self._is_past_part = False
        self._sought = False
        self._before_key = -1  # packets before the first key frame; -1 until that came
        self._damaged = 0
        self._cut_short = ""
        self._time_base = self._video.time_base or Fraction(1, 90000)
        self._filter = PictureFilter(self._time_base)
        self._converter = RgbConverter()
        self._colours: dict[tuple[str, int, int, int, int, int, int], Colour] = {}
        self._items = self._read()
        self._early, self._first = self._read_first_picture()
        self._stored_size = (self._first.width, self._first.height)
        self._scaled_size = self._orientation.size(*size) if size else self._stored_size
        self.info = self._describe()
        self._length_s = None if self._end_s is None else self._end_s - self._begin_s
        self._waiting = [self._first]
        end = None if self._end_s is None else float(self._end_s / self._time_base)
        self._part: Part[VideoFrame] = Part(float(self._begin_s / self._time_base), end)
        origin = self._origin(mode)
        self._clock = FrameClock(self._time_base, self.info.nominal_duration, origin)
        self._warn_about_first_picture()
        self._track = self._open_track(mode, bitrate)
        if self._begin_s > _SEEKING_S and self._has_index:
            self._seek(origin + round(self._begin_s / self._time_base))
        self.audio_parameters = self._track.parameters if self._track else None

    def _choose_video(self) -> VideoStream:
        tracks = self._container.streams.video
        video = choose_video(tracks, has_sound=bool(self._container.streams.audio))
        if video is None:
            raise NoVideoStream(f"{self._name}: there is no video in it")
        for warning in track_warnings("video", tracks, video):
            self._warn(warning)
        if video.codec_context is None:
            raise UnsupportedVideo(f"{self._name}: there is no decoder for its video")
        _check_size(video.codec_context.width, video.codec_context.height)
        return video

    def _open_decoder(self) -> VideoCodecContext:
        """The track's own decoder; libvpx's where the track has transparency."""
        own = self._video.codec_context
        decoder: VideoCodecContext = own
        if own.name in ("vp8", "vp9") and self._video.metadata.get("alpha_mode") == "1":
            with suppress(ValueError, FFmpegError):  # PyAV's libav may lack it
                alpha = CodecContext.create("libvpx" if own.name == "vp8" else "libvpx-vp9", "r")
                assert isinstance(alpha, VideoCodecContext)
                alpha.extradata = own.extradata
                decoder = alpha
        # The limit holds for every size that the stream changes to, before memory is taken.
        decoder.options = {"max_pixels": str(MAX_SIDE * MAX_SIDE)}
        return decoder

    def _choose_audio(self, mode: AudioMode) -> AudioStream | None:
        tracks = self._container.streams.audio
        audio = choose_audio(tracks)
        if audio is not None and mode is not AudioMode.NONE:
            for warning in track_warnings("sound", tracks, audio):
                self._warn(warning)
        return audio

    def _open_track(self, mode: AudioMode, bitrate: int) -> AudioTrack | None:
        if self._audio is None or mode is AudioMode.NONE:
            return None
        if self._audio.codec_context is None:
            self._warn("there is no decoder for the sound track; it is left out")
            return None
        origin_s = (self._clock.origin or 0) * self._time_base + self._begin_s
        if mode is AudioMode.COPY:
            return OpusPassthrough(self._audio, origin_s, self._length_s)
        return OpusTranscoder(self._audio, origin_s, self._length_s, bitrate)

    def _seek(self, origin: int) -> None:
        """Go near the first picture that is wanted; where that fails, all before it is read."""
        with suppress(FFmpegError, OSError, ValueError):
            before = origin - round(_SEEKING_S / 2 / self._time_base)
            self._container.seek(before, stream=self._video)
            self._decoder.flush_buffers()
            self._filter = PictureFilter(self._time_base)
            self._early, self._waiting = [], []
            self._packets = self._decoded = self._damaged = self._empty = 0
            self._items = self._read()
            self._sought = True

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
        if self._is_piped_mp4:
            raise InputUnreadable(f"{self._name}: {_INDEX_AT_END}")
        raise NoFrames(f"{self._name}: no picture of the video can be decoded")

    @property
    def _has_index(self) -> bool:
        """Whether the file can be sought in; without an index that leads anywhere."""
        names = self._container.format.name.split(",")
        return self.is_seekable and ("mov" in names or "matroska" in names)

    @property
    def _ends_early(self) -> bool:
        """Whether the last picture lies well before the end that the track declares."""
        if self._cut_short or self._video.duration is None:
            return True
        end = (self._video.start_time or 0) + self._video.duration
        return self._last_pts + 2 * self.info.nominal_duration < end

    @property
    def _part_is_over(self) -> bool:
        return hasattr(self, "_part") and self._part.is_over

    def _describe(self) -> MediaInfo:
        video = self._video
        time_base = self._time_base
        width, height = self._orientation.size(*self._stored_size)
        aspect = video.sample_aspect_ratio or Fraction(1)
        if self._orientation.transposed:
            aspect = 1 / aspect
        duration_s = None
        if video.duration:
            duration_s = float(video.duration * time_base)
        elif self._container.duration:
            duration_s = self._container.duration / av.time_base
        if duration_s is not None:
            end_s = duration_s if self._end_s is None else min(duration_s, float(self._end_s))
            duration_s = max(0.0, end_s - float(self._begin_s))
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
            colour=self._source_colour,
            bit_depth=bit_depth(self._source_format),
            pix_fmt=self._source_format.name,
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

    def _origin(self, mode: AudioMode) -> int:
        """The source's time that becomes 0, in ticks: sound before the first picture is kept."""
        first = self._first.pts or 0
        track = self._audio
        if track is None or mode is AudioMode.NONE or track.start_time is None:
            return first
        sound_s = track.start_time * (track.time_base or Fraction(0))
        early = [
            p.pts * p.time_base
            for p in self._early
            if p.pts is not None and p.time_base and not p.is_discard
        ]
        lead_s = first * self._time_base - min([sound_s, *early])
        context = track.codec_context
        rate = (context.sample_rate if context is not None else 0) or AUDIO_RATE
        if lead_s <= Fraction(_PRIMING_SAMPLES, rate):
            return first
        if lead_s > _LONGEST_LEAD_S:
            self._warn(f"{float(lead_s):.1f} s of sound before the first picture were dropped")
            return first
        return first - round(lead_s / self._time_base)

    def _read(self) -> Iterator[VideoFrame | Packet[Any]]:
        """Demux to the end, or to where the file is cut; decode and filter the video."""
        wanted = [self._video, self._audio] if self._audio else [self._video]
        packets = self._container.demux(*wanted)
        rate = self._video.average_rate or self._video.guessed_rate
        step_s = nominal_duration(self._time_base, rate) * self._time_base
        gappy = not GAPPY.isdisjoint(self._container.format.name.split(","))
        self._splicer = Splicer(self._video.index, step_s, closes_gaps=gappy)
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
            # An empty packet would tell the decoder that the stream ends.
            if packet.size:
                yield from self._sort(self._splicer.push(packet))
            elif packet.stream_index == self._video.index and packet.dts is not None:
                self._empty += 1  # so AVI says that a picture stays
            if self._is_past_part:
                return
        yield from self._sort(self._splicer.finish())
        yield from self._decode(None)
        yield from self._filter.finish()

    def _sort(self, packets: Iterable[Packet[Any]]) -> Iterator[VideoFrame | Packet[Any]]:
        for packet in packets:
            if packet.stream_index != self._video.index:
                yield packet
                continue
            # What an edit list hides is no loss.
            self._decoded += packet.is_discard
            self._packets += 1
            if packet.is_keyframe and self._before_key < 0:
                self._before_key = self._packets - 1
            if not self._part_is_over:
                yield from self._decode(packet)
            elif packet.dts is not None and self._end_s is not None:
                # Only sound of the part may still come, in badly interleaved files.
                at_s = (packet.dts - (self._clock.origin or 0)) * self._time_base
                self._is_past_part = at_s > self._end_s + GAP_S
            else:
                self._is_past_part = True

    def _decode(self, packet: Packet[Any] | None) -> Iterator[VideoFrame]:
        try:
            frames = self._decoder.decode(packet)
        except FFmpegError:
            self._damaged += 1
            return
        for frame in frames:
            self._decoded += 1
            if not hasattr(self, "_source_format"):
                self._source_format = frame.format
                self._source_colour = self._colour(frame)
                self._orientation = Orientation.of(frame)
            if frame.pts is not None:
                self._last_pts = max(self._last_pts, frame.pts)
            colour = self._colour(frame)
            with reading(self._name):
                yield from self._filter.push(frame, colour)

    def _picture(self, pts: int, frame: VideoFrame) -> PictureFrame:
        colour = self._colour(frame)
        with reading(self._name):
            rgb = self._scaled(frame, colour)
        return PictureFrame(pts, self._orientation.apply(rgb), frame.duration or 0)

    def _scaled(self, frame: VideoFrame, colour: Colour) -> Rgb:
        """A picture at the size of the first; one of another aspect gets black bars."""
        size = (frame.width, frame.height)
        if size == self._stored_size:
            return self._converter.convert(frame, colour, *self._scaled_size)
        self._warn("the picture size changes within the video; later pictures are fitted into it")
        width, height = self._scaled_size
        # Of the scaled picture's pixels; both pictures are taken to have the same pixel aspect.
        ratio_x, ratio_y = width / self._stored_size[0], height / self._stored_size[1]
        factor = min(self._stored_size[0] / size[0], self._stored_size[1] / size[1])
        inner = (
            min(width, max(1, round(size[0] * factor * ratio_x))),
            min(height, max(1, round(size[1] * factor * ratio_y))),
        )
        rgb = np.zeros((height, width, 3), np.uint8)
        x, y = (width - inner[0]) // 2, (height - inner[1]) // 2
        picture = self._converter.convert(frame, colour, *inner)
        rgb[y : y + inner[1], x : x + inner[0]] = picture
        return rgb

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
        if not self._orientation.exact:
            self._warn("the rotation is not a multiple of 90 degrees; the nearest is used")

    def _summarise(self) -> None:
        """Say with counts what was mended, and what the result lacks."""
        for complaint in self._clock.complaints():
            self._warn(complaint)
        if self._filter.deinterlaced:
            self._warn("the video is interlaced; it was deinterlaced")
        if self._filter.tone_mapped:
            self._warn("the video is HDR; it was tone-mapped to SDR")
        if self._filter.gamut_mapped:
            self._warn("the video has wide-gamut colours; they were mapped to BT.709")
        if self._converter.transparent:
            self._warn("the video has transparency; it was composed on black")
        if self._splicer.strays:
            self._warn(f"{_count(self._splicer.strays, 'wrong timestamp')} put right")
        if self._splicer.restarts:
            self._warn(f"the input's clock was restarted {_times(self._splicer.restarts)}")
        for gap_s in self._splicer.gaps_s:
            self._warn(f"a gap of {gap_s:.1f} s in the input was closed")
        if self._before_key > 0:
            packets = _count(self._before_key, "video packet")
            self._warn(f"{packets} before the first key frame dropped")
        declared = self._video.frames
        lost = self._packets - self._decoded - max(self._before_key, 0) - self._damaged
        if self._filter.deinterlaced and lost <= self._decoded:
            lost = 0  # a packet may hold one field of two
        if self._sought or self._end_s is not None:
            pass  # of a part, nobody knows how many frames it should have
        elif declared > self._packets + self._empty and self._ends_early:
            self._warn(
                f"the input declares {declared} frames and only {self._decoded} could be read: "
                f"{declared - self._decoded} missing"
            )
        elif lost > 0:
            self._warn(f"{_count(lost, 'video packet')} of {self._packets} without a picture")
        if self._damaged:
            self._warn(f"{_count(self._damaged, 'damaged video packet')} skipped")
        if self._track is not None:
            for complaint in self._track.complaints():
                self._warn(complaint)
        if self._cut_short:
            self._warn(f"the input ends early: {self._cut_short}")


def _seconds(time_s: Fraction | None) -> str:
    return "the end" if time_s is None else f"{float(time_s):g} s"


def _count(number: int, what: str) -> str:
    return f"{number} {what}" + ("" if number == 1 else "s")


def _times(count: int) -> str:
    return "once" if count == 1 else f"{count} times"


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


def _open(source: str | Path | BinaryIO, name: str, *, piped_mp4: bool) -> InputContainer:
    with reading(name):
        if source == "-":
            if sys.stdin is None:
                raise InputUnreadable("standard input is closed")
            file: str | BinaryIO = sys.stdin.buffer
        elif isinstance(source, str | Path):
            if not Path(source).exists():
                raise InputUnreadable(f"{name}: no such file")
            file = f"file:{source}"  # a colon in a path is no protocol
        else:
            file = source
        if still := still_picture(head_of(source), name):
            raise UnsupportedVideo(f"{name}: {still} is no video that can be read")
        try:
            return av.open(
                file,
                mode="r",
                container_options={"format_whitelist": DEMUXERS, "protocol_whitelist": "file"},
                metadata_errors="replace",
            )
        except (FFmpegError, OSError, ValueError) as error:
            if piped_mp4:
                raise InputUnreadable(f"{name}: {_INDEX_AT_END}") from error
            raise


def is_seekable(source: str | Path | BinaryIO) -> bool:
    """Whether a source is a file, on disk or in memory. Such a one waits for its reader."""
    file = sys.stdin.buffer if source == "-" and sys.stdin is not None else source
    if isinstance(file, str | Path):
        return Path(file).is_file()
    try:
        return file.seekable()
    except (AttributeError, OSError, ValueError):
        return False


def _check_size(width: int, height: int) -> None:
    if width > MAX_SIDE or height > MAX_SIDE:
        raise UnsupportedVideo(f"a picture of {width}x{height} is over {MAX_SIDE}x{MAX_SIDE}")
