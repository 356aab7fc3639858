"""x264, AVC."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import ClassVar

from av import Packet
from av.video.stream import VideoStream

from imfcodec.bench.codecs.pyav import PyAvCodec

_SUPPLEMENT = 6
_USER_DATA = 5
_START_CODE = re.compile(b"\x00?\x00\x00\x01")


@dataclass(frozen=True)
class X264(PyAvCodec):
    """x264 at its slowest sensible preset, one key frame per clip.

    Without the message of some 600 bytes, in the first packet, that lists its settings.
    """

    encoder: ClassVar[str] = "libx264"
    muxer: ClassVar[str] = "h264"

    @property
    def stem(self) -> str:
        """`x264-veryslow`."""
        return "x264-veryslow"

    @property
    def family(self) -> str:
        """All sizes and frame rates."""
        return "x264 veryslow"

    @property
    def settings(self) -> tuple[str, ...]:
        """Constant rate factors; 51 is the highest."""
        return tuple(f"crf{crf}" for crf in (51, 45, 39, 33))

    def options(self, setting: str) -> tuple[tuple[str, str], ...]:
        """Of libx264."""
        return (
            ("preset", "veryslow"),
            ("crf", setting.removeprefix("crf")),
            ("x264-params", f"keyint=infinite:scenecut=0:threads={self.threads}"),
        )

    def payload(self, packet: Packet[VideoStream]) -> bytes:
        """Without unregistered user data."""
        data = bytes(packet)
        return data if not packet.is_keyframe else b"".join(_needed_units(data))


def _needed_units(data: bytes) -> list[bytes]:
    """The units of an Annex B stream, start codes included, that a decoder needs."""
    starts = list(_START_CODE.finditer(data))
    ends = [start.start() for start in starts[1:]] + [len(data)]
    return [
        data[start.start() : end]
        for start, end in zip(starts, ends, strict=True)
        if not (data[start.end()] & 31 == _SUPPLEMENT and data[start.end() + 1] == _USER_DATA)
    ]
