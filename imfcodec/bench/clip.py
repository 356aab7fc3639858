"""A clip that codecs are measured on."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np
import numpy.typing as npt

from imfcodec.errors import UnsupportedVideo
from imfcodec.video import AudioMode, MediaReader

Picture = npt.NDArray[np.uint8]
"""uint8 RGB [H, W, 3]."""

MIN_FRAMES = 8


@dataclass(frozen=True)
class Clip:
    """A source video, read through once.

    Attributes:
        path: The file.
        sha256: Of its bytes, hexadecimal.
        width, height: Pixels as shown.
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
    def open(cls, path: Path) -> Clip:
        """Read a video through once.

        Raises:
            InputUnreadable, NoVideoStream, NoFrames: There is nothing to measure on.
            UnsupportedVideo: It is shorter than `MIN_FRAMES`, or has no frame rate.
        """
        with MediaReader(path, audio=AudioMode.NONE) as reader:
            info = reader.info
            frames = sum(1 for _ in reader.pictures())
        if frames < MIN_FRAMES:
            raise UnsupportedVideo(f"{path}: {frames} frames; measuring needs {MIN_FRAMES}")
        if not info.average_rate:
            raise UnsupportedVideo(f"{path}: its frame rate is not known")
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        return cls(path, digest, info.width, info.height, frames, info.average_rate)

    def pictures(self) -> Iterator[Picture]:
        """All frames in order, one at a time."""
        with MediaReader(self.path, audio=AudioMode.NONE) as reader:
            for frame in reader.pictures():
                yield frame.rgb
