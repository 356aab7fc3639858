"""Which video track and which sound track of a file are used."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from av.audio.stream import AudioStream
from av.stream import Disposition, Stream
from av.video.stream import VideoStream

_STILL_CODECS: Final = frozenset(("mjpeg", "png", "bmp", "gif", "tiff", "webp", "jpegxl"))


def choose_video(tracks: Sequence[VideoStream], *, has_sound: bool) -> VideoStream | None:
    """Choose a video track: the default one, then the largest that decodes, then the first.

    A cover is no video: a track that is flagged as one, or a single picture beside other tracks.

    Args:
        tracks: in the order of the file.
        has_sound: whether the file has a sound track.

    Returns:
        The track, perhaps without a decoder; None if there is no video.
    """
    flagged = Disposition.attached_pic
    videos = [track for track in tracks if not track.disposition & flagged]
    moving = [track for track in videos if _frames(track) != 1]
    if not moving and has_sound:
        moving = [track for track in videos if _codec(track) not in _STILL_CODECS]
    return max(moving or ([] if has_sound else videos), key=_preference, default=None)


def choose_audio(tracks: Sequence[AudioStream]) -> AudioStream | None:
    """Choose a sound track: one that decodes, then the default one, then the first.

    Returns:
        The track, without a decoder if none has one; None if there is no sound.
    """

    def preference(track: AudioStream) -> tuple[bool, bool]:
        return track.codec_context is not None, bool(track.disposition & Disposition.default)

    return max(tracks, key=preference, default=None)


def track_warnings(what: str, tracks: Sequence[Stream], chosen: Stream) -> list[str]:
    """Say which track is used where there are several."""
    if len(tracks) < 2:
        return []
    number = list(tracks).index(chosen) + 1
    undecodable = sum(track.codec_context is None for track in tracks)
    text = f"the input has {len(tracks)} {what} tracks; only track {number} is used"
    if undecodable and chosen.codec_context is not None:
        text += f" ({undecodable} cannot be decoded)"
    return [text]


def _preference(track: VideoStream) -> tuple[bool, bool, bool, int]:
    """Larger is better; `max` takes the first of equals."""
    context = track.codec_context
    area = context.width * context.height if context is not None else 0
    default = bool(track.disposition & Disposition.default)
    return context is not None, _codec(track) not in _STILL_CODECS, default, area


def _frames(track: VideoStream) -> int:
    """Frames as the container counts them; 0 if it does not say."""
    if track.frames:
        return track.frames
    for key in ("NUMBER_OF_FRAMES", "NUMBER_OF_FRAMES-eng"):  # Matroska's statistics tags
        if (text := track.metadata.get(key, "")).isdecimal():
            return int(text)
    return 0


def _codec(track: VideoStream) -> str:
    return track.codec_context.name if track.codec_context is not None else ""
