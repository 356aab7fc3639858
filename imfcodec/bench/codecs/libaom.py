"""AV1 through libaom."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import av

from imfcodec.bench.codecs.ffmpeg import FfmpegCodec
from imfcodec.codec.pictures.obu import TEMPORAL_DELIMITER, split_units

_LONGER_THAN_ANY_CLIP = "1000000"


@dataclass(frozen=True)
class LibAom(FfmpegCodec):
    """libaom, cpu-used 1, one pass of constant quality, one key frame per clip."""

    encoder: ClassVar[str] = "libaom-av1"
    decoder: ClassVar[str] = "libdav1d"
    muxer: ClassVar[str] = "obu"
    ending: ClassVar[str] = "obu"
    decoded_bits: ClassVar[int] = 8

    @property
    def stem(self) -> str:
        """`libaom-cpu1`."""
        return "libaom-cpu1"

    @property
    def family(self) -> str:
        """All sizes and frame rates."""
        return "libaom cpu-used 1"

    @property
    def settings(self) -> tuple[str, ...]:
        """Constant rate factors; 63 is the highest."""
        return tuple(f"crf{crf}" for crf in (63, 59, 54, 47))

    def options(self, setting: str) -> tuple[str, ...]:
        """Equal shortest and longest intervals: libaom adds no key frame of its own."""
        return (
            *("-crf", setting.removeprefix("crf"), "-b:v", "0", "-cpu-used", "1"),
            *("-lag-in-frames", "35", "-auto-alt-ref", "1"),
            *("-g", _LONGER_THAN_ANY_CLIP, "-keyint_min", _LONGER_THAN_ANY_CLIP),
        )

    def count(self, path: Path) -> tuple[int, int]:
        """All units but temporal delimiters, which MP4 and Matroska leave out as well."""
        units = split_units(path.read_bytes())
        size_bytes = sum(len(unit) for kind, unit in units if kind != TEMPORAL_DELIMITER)
        with av.open(str(path), format=self.muxer) as file:
            return size_bytes, sum(packet.is_keyframe for packet in file.demux(video=0))
