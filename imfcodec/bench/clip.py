"""A clip that codecs are measured on."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

from imfcodec.arrays import Picture
from imfcodec.bench.fingerprint import digest, file_digest, reading_digest
from imfcodec.codec.stages import StageTimes
from imfcodec.errors import UnsupportedVideo
from imfcodec.media import AudioMode, MediaReader, resize

if TYPE_CHECKING:
    from imfcodec.bench.memo import Memo


MIN_FRAMES = 8


@dataclass(frozen=True)
class Clip:
    """A source video, read completely once.

    Attributes:
        path: The file.
        sha256: Of its bytes, or of those and ``lines`` if it is reduced; hexadecimal.
        width, height: Pixels as measured.
        frames: How many there are.
        rate: Frames per second.
    """

    path: Path
    sha256: str
    width: int
    height: int
    frames: int
    rate: Fraction

    @property
    def name(self) -> str:
        """The file's name without its ending."""
        return self.path.stem

    @property
    def duration_s(self) -> float:
        """Seconds."""
        return float(self.frames / self.rate)

    @classmethod
    def open(cls, path: Path, memo: Memo | None = None, lines: int | None = None) -> Clip:
        """Read a video through once; what a memo knows of it is not read again.

        Args:
            path: The file.
            memo: What is known of files.
            lines: Short side in pixels to which larger pictures are reduced.

        Raises:
            InputUnreadable, NoVideoStream, NoFrames: There is nothing to measure on.
            UnsupportedVideo: It is shorter than `MIN_FRAMES`, or has no frame rate.
        """
        sha256 = file_digest(path)
        key = ["clip", reading_digest(sha256)]
        known = memo.get(key) if memo else None
        if known is None:
            known = _read_through(path)
            if memo:
                memo.put(key, known)
        width, height, frames, rate = known
        if frames < MIN_FRAMES:
            raise UnsupportedVideo(f"{path}: it has {frames} frames; measuring needs {MIN_FRAMES}")
        if not rate:
            raise UnsupportedVideo(f"{path}: its frame rate is not known")
        if lines is not None and lines < min(width, height):
            sha256 = digest([sha256, lines])
            width, height = reduced_size(width, height, lines)
        return cls(path, sha256, width, height, frames, Fraction(rate))

    def pictures(self) -> Iterator[Picture]:
        """All frames in order, one at a time."""
        return (resize(picture, (self.width, self.height)) for picture in self.originals())

    def originals(self) -> Iterator[Picture]:
        """The same at display size."""
        with MediaReader(self.path, audio=AudioMode.NONE) as reader:
            for frame in reader.pictures():
                yield frame.rgb


def reduced_size(width: int, height: int, short_side: int) -> tuple[int, int]:
    """Width and height with this short side, both even as 4:2:0 wants them."""
    scale = Fraction(short_side, min(width, height))
    return 2 * round(width * scale / 2), 2 * round(height * scale / 2)


def timed(pictures: Iterator[Picture], times: StageTimes, stage: str) -> Iterator[Picture]:
    """The same pictures; a stage's time is only that of making them."""
    while True:
        with times.timed(stage):
            picture = next(pictures, None)
        if picture is None:
            return
        yield picture


def _read_through(path: Path) -> list[Any]:
    """Width, height, number of frames, and the rate in words, "" where it is not known."""
    with MediaReader(path, audio=AudioMode.NONE) as reader:
        info = reader.info
        frames = sum(1 for _ in reader.pictures())
    return [info.width, info.height, frames, str(info.average_rate or "")]
