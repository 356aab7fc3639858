"""SVT-AV1, random access or low delay."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from av import Packet
from av.video.stream import VideoStream

from imfcodec.bench.clip import Clip
from imfcodec.bench.codecs.codec import Encoded
from imfcodec.bench.codecs.pyav import PyAvCodec
from imfcodec.bench.codecs.sampling import Sampling
from imfcodec.bench.codecs.watched import encode_watched
from imfcodec.codec.pictures.obu import TEMPORAL_DELIMITER, split_units
from imfcodec.codec.pictures.scheduling import same_scheduling_class

_THREADS = Path("/proc/self/task")


@dataclass(frozen=True)
class SvtAv1(PyAvCodec):
    """SVT-AV1 at one preset, one key frame per clip.

    Temporal delimiters, two bytes a picture, are neither stored nor counted by MP4 and
    Matroska; here they are not counted either.

    Attributes:
        preset: 0 (slowest) to 13.
        low_delay: No picture depends on a later one.
    """

    preset: int = 2
    low_delay: bool = False

    encoder: ClassVar[str] = "libsvtav1"
    muxer: ClassVar[str] = "ivf"

    @property
    def stem(self) -> str:
        """`svtav1-ra-p2`."""
        mode = "ld" if self.low_delay else "ra"
        return f"svtav1-{mode}-p{self.preset}"

    @property
    def family(self) -> str:
        """All sizes and frame rates of one preset and structure."""
        mode = "low delay" if self.low_delay else "random access"
        return f"SVT-AV1 preset {self.preset}, {mode}"

    @property
    def settings(self) -> tuple[str, ...]:
        """Constant rate factors; 70 is the highest that SVT-AV1 takes.

        Random access at full size and rate costs the most bits at each of them.
        """
        costly = self.sampling == Sampling() and not self.low_delay
        ladder = (70, 66, 62, 57, 51) if costly else (70, 66, 61, 55, 48)
        return tuple(f"crf{crf}" for crf in ladder)

    def options(self, setting: str) -> tuple[tuple[str, str], ...]:
        """Libav's own crf ends at 63, so that everything goes through SVT-AV1's parameters."""
        parameters = {
            "crf": setting.removeprefix("crf"),
            "keyint": "-1",
            "pred-struct": "1" if self.low_delay else "2",
            "lp": str(self.threads),
        }
        joined = ":".join(f"{k}={v}" for k, v in parameters.items())
        return ("preset", str(self.preset)), ("svtav1-params", joined)

    def encode(self, clip: Clip, setting: str, folder: Path) -> Encoded:
        """Code a whole clip into ``folder``, in a process that can be killed when it hangs.

        Raises:
            ImfcodecError: As `PyAvCodec.encode`.
        """
        return encode_watched(self, clip, setting, folder)

    def encode_here(self, clip: Clip, setting: str, folder: Path) -> Encoded:
        """The same in this process."""
        return super().encode(clip, setting, folder)

    def payload(self, packet: Packet[VideoStream]) -> bytes:
        """Without temporal delimiter (the muxer of IVF puts it back)."""
        units = split_units(bytes(packet))
        return b"".join(unit for kind, unit in units if kind != TEMPORAL_DELIMITER)

    def opening(self) -> AbstractContextManager[None]:
        """Undo what SVT-AV1 does to the scheduling of its caller and of its own threads."""
        os.environ.setdefault("SVT_LOG", "1")  # errors only; the library logs to stderr
        return _usual_scheduling()


@contextmanager
def _usual_scheduling() -> Iterator[None]:
    """Leave every thread of the process in the scheduling class that the caller has.

    The encoder's threads are born with the real-time class that opening it, as root, gives to
    the process, and would keep it for as long as they work.
    """
    with same_scheduling_class():
        yield
    if not hasattr(os, "sched_getscheduler") or not _THREADS.is_dir():
        return
    policy, parameters = os.sched_getscheduler(0), os.sched_getparam(0)
    for thread in _THREADS.iterdir():
        with suppress(OSError):  # one that has just ended
            if os.sched_getscheduler(int(thread.name)) != policy:
                os.sched_setscheduler(int(thread.name), policy, parameters)
