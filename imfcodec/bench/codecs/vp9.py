"""VP9 through libvpx."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from imfcodec.bench.codecs.pyav import PyAvCodec

_LONGER_THAN_ANY_CLIP = "1000000"


@dataclass(frozen=True)
class Vp9(PyAvCodec):
    """libvpx-vp9, cpu-used 1, one pass of constant quality, one key frame per clip."""

    encoder: ClassVar[str] = "libvpx-vp9"
    muxer: ClassVar[str] = "ivf"

    @property
    def stem(self) -> str:
        """`vp9-cpu1`."""
        return "vp9-cpu1"

    @property
    def family(self) -> str:
        """All sizes and frame rates."""
        return "VP9 cpu-used 1"

    @property
    def settings(self) -> tuple[str, ...]:
        """Constant rate factors; 63 is the highest."""
        return tuple(f"crf{crf}" for crf in (63, 58, 52, 45))

    def options(self, setting: str) -> tuple[tuple[str, str], ...]:
        """Equal shortest and longest intervals: libvpx adds no key frame of its own."""
        return (
            ("crf", setting.removeprefix("crf")),
            ("b", "0"),
            ("deadline", "good"),
            ("cpu-used", "1"),
            ("lag-in-frames", "25"),
            ("auto-alt-ref", "1"),
            ("g", _LONGER_THAN_ANY_CLIP),
            ("keyint_min", _LONGER_THAN_ANY_CLIP),
            ("threads", str(self.threads)),
        )
