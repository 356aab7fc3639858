"""Properties of an input, known before its first picture is used."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

from imfcodec.media.colour import Colour


@dataclass(frozen=True)
class AudioInfo:
    """The sound of the source, whether or not it is used.

    Attributes:
        codec: libav's name of the codec.
        sample_rate: samples per second.
        channels: number of channels.
    """

    codec: str
    sample_rate: int
    channels: int


@dataclass(frozen=True)
class MediaInfo:
    """The video track of the source, as it is shown.

    Attributes:
        width: pixels, rotation applied.
        height: pixels, rotation applied.
        sample_aspect_ratio: width of a pixel over its height, rotation applied; 1 if unknown.
        time_base: seconds per tick of the pictures' pts.
        average_rate: frames per second, None if unknown.
        nominal_duration: ticks per frame; not necessarily whole.
        rotation: clockwise turn that was applied to the stored picture: 0, 90, 180, 270.
        mirrored: whether the stored picture was reflected as well.
        colour: colour description of the stored samples.
        bit_depth: bits per sample as stored.
        pix_fmt: libav's name of the stored pixel format.
        codec: libav's name of the video codec.
        container: libav's name of the container format.
        duration_s: seconds, None if unknown.
        frame_count_hint: frames according to the header, None if unknown; not reliable.
        audio: the sound track, None if there is none.
    """

    width: int
    height: int
    sample_aspect_ratio: Fraction
    time_base: Fraction
    average_rate: Fraction | None
    nominal_duration: Fraction
    rotation: int
    mirrored: bool
    colour: Colour
    bit_depth: int
    pix_fmt: str
    codec: str
    container: str
    duration_s: float | None
    frame_count_hint: int | None
    audio: AudioInfo | None
