"""VVC through VVenC."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from imfcodec.bench.codecs.ffmpeg import FfmpegCodec

_START_CODE = re.compile(b"\x00\x00\x01")
_INTRA_TYPES = frozenset((7, 8, 9))
"""IDR_W_RADL, IDR_N_LP and CRA of H.266, table 5."""


@dataclass(frozen=True)
class Vvc(FfmpegCodec):
    """VVenC, random access, one key frame per clip, read back by ffmpeg's own decoder."""

    preset: str = "medium"

    encoder: ClassVar[str] = "libvvenc"
    decoder: ClassVar[str] = "vvc"
    muxer: ClassVar[str] = "vvc"
    ending: ClassVar[str] = "266"
    decoded_bits: ClassVar[int] = 10

    @property
    def stem(self) -> str:
        """`vvc-medium`."""
        return f"vvc-{self.preset}"

    @property
    def family(self) -> str:
        """All sizes and frame rates of one preset."""
        return f"VVenC {self.preset}"

    @property
    def settings(self) -> tuple[str, ...]:
        """Quantisers; 63 is the highest."""
        return tuple(f"qp{qp}" for qp in (58, 51, 44, 37))

    def options(self, setting: str) -> tuple[str, ...]:
        """No access unit delimiters, no intra picture but the first."""
        return (
            *("-preset", self.preset, "-qp", setting.removeprefix("qp")),
            *("-vvenc-params", "AccessUnitDelimiter=0:IntraPeriod=-1"),
        )

    def count(self, path: Path) -> tuple[int, int]:
        """The whole file: it has no container."""
        data = path.read_bytes()
        types = [data[start.end() + 1] >> 3 for start in _START_CODE.finditer(data)]
        return len(data), sum(kind in _INTRA_TYPES for kind in types)
