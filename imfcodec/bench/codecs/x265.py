"""x265, HEVC."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from imfcodec.bench.codecs.pyav import PyAvCodec


@dataclass(frozen=True)
class X265(PyAvCodec):
    """x265 at its slowest sensible preset, one key frame per clip."""

    encoder: ClassVar[str] = "libx265"
    muxer: ClassVar[str] = "hevc"

    @property
    def stem(self) -> str:
        """`x265-veryslow`."""
        return "x265-veryslow"

    @property
    def family(self) -> str:
        """All sizes and frame rates."""
        return "x265 veryslow"

    @property
    def settings(self) -> tuple[str, ...]:
        """Constant rate factors; 51 is the highest."""
        return tuple(f"crf{crf}" for crf in (51, 46, 41, 36))

    def options(self, setting: str) -> tuple[tuple[str, str], ...]:
        """`info=0`: no message with the encoder's settings."""
        threads = f"pools={self.threads}:frame-threads=1"
        return (
            ("preset", "veryslow"),
            ("crf", setting.removeprefix("crf")),
            ("x265-params", f"keyint=-1:scenecut=0:info=0:log-level=none:{threads}"),
        )
