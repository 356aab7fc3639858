"""The available output formats and encoders, and the rules to choose among them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from imfcodec.errors import OptionError


@dataclass(frozen=True)
class OutputContainer:
    """One output format.

    Attributes:
        name: name of the format, and extension of the file name.
        muxer: libav's name; empty for uncompressed pictures.
        codecs: video encoders that it can hold, the default first.
        needs_seek: whether the muxer seeks to the start of the file at the end.
        exact_time: whether timestamps in any time base are exact; if not, they are rounded to
            whole milliseconds.
    """

    name: str
    muxer: str = ""
    codecs: tuple[str, ...] = ()
    needs_seek: bool = False
    exact_time: bool = True


@dataclass(frozen=True)
class VideoEncoder:
    """Settings of one encoder.

    Attributes:
        crf: default constant rate factor, visually lossless for 8-bit video.
        max_crf: largest constant rate factor of the encoder.
        options: libav options. Without B frames, frames leave in display order, so that every
            muxer knows each frame's exact duration. Decoded pictures are smooth: x264's presets
            medium and veryfast make files of one size, and veryfast takes 42 % of the time.
        odd_420: whether 4:2:0 works for odd sides. H.264 and H.265 crop in whole chroma
            samples and need 4:4:4 there.
        holds_aspect: whether the stream carries the sample aspect ratio. If not, only MP4 can
            carry it: PyAV cannot set it in Matroska.
    """

    crf: int
    max_crf: int
    options: tuple[tuple[str, str], ...]
    odd_420: bool
    holds_aspect: bool


CONTAINERS: Final = {
    kind.name: kind
    for kind in (
        OutputContainer("mp4", "mp4", ("libx264", "libx265", "libvpx-vp9"), needs_seek=True),
        OutputContainer("mkv", "matroska", ("libx264", "libx265", "libvpx-vp9"), exact_time=False),
        OutputContainer("webm", "webm", ("libvpx-vp9",), exact_time=False),
        OutputContainer("y4m"),
        OutputContainer("rgb"),
    )
}

ENCODERS: Final = {
    "libx264": VideoEncoder(
        16, 51, (("bf", "0"), ("preset", "veryfast")), odd_420=False, holds_aspect=True
    ),
    "libx265": VideoEncoder(
        18, 51, (("x265-params", "bframes=0:log-level=none"),), odd_420=False, holds_aspect=True
    ),
    "libvpx-vp9": VideoEncoder(
        20,
        63,
        (("deadline", "good"), ("cpu-used", "4"), ("row-mt", "1")),
        odd_420=True,
        holds_aspect=False,
    ),
}


def choose_container(path: Path | None, name: str | None) -> OutputContainer:
    """Find the output format.

    Args:
        path: target; None for a file object.
        name: explicit format; None to use the extension of `path`.

    Returns:
        The format.

    Raises:
        OptionError: neither names a format; the message lists all formats.
    """
    known = ", ".join(CONTAINERS)
    if name is not None:
        if name not in CONTAINERS:
            raise OptionError(f"unknown output format {name!r}; use one of {known}")
        return CONTAINERS[name]
    if path is None:
        raise OptionError(f"an output without a file name needs a format: {known}")
    extension = path.suffix.lower().removeprefix(".")
    if extension not in CONTAINERS:
        listed = ", ".join(f".{kind}" for kind in CONTAINERS)
        raise OptionError(f"{path}: unknown extension {path.suffix!r}; use one of {listed}")
    return CONTAINERS[extension]


def choose_codec(container: OutputContainer, codec: str | None, crf: int | None) -> tuple[str, int]:
    """Find the encoder and its constant rate factor.

    Args:
        container: a format with a muxer.
        codec: libav's name of the encoder; None for the format's default.
        crf: constant rate factor; None for the encoder's default.

    Returns:
        (codec, crf).

    Raises:
        OptionError: the format cannot hold the codec, or `crf` is out of range.
    """
    codec = codec or container.codecs[0]
    if codec not in container.codecs:
        held = ", ".join(container.codecs)
        raise OptionError(f"{container.name} can hold {held}, not {codec!r}")
    encoder = ENCODERS[codec]
    crf = encoder.crf if crf is None else crf
    if not 0 <= crf <= encoder.max_crf:
        raise OptionError(f"the CRF of {codec} must be 0 to {encoder.max_crf}, not {crf}")
    return codec, crf
