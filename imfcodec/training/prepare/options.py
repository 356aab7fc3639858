"""Options of `prepare`, checked."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from imfcodec.errors import OptionError

SIDE_MULTIPLE = 32
"""Sides of the network's pictures are multiples of this."""

MIN_SIDE, MAX_SIDE = 64, 1024
"""Pixels: the smallest picture of libsvtav1, and more than the network is made for."""


@dataclass(frozen=True)
class PrepareOptions:
    """Options of `prepare`; those out of range are an `OptionError`.

    Attributes:
        size: Side of the square pictures in pixels, a multiple of 32 from 64 to 1024.
        stride: Keep every n-th frame.
        face: Crop around the largest steady face, or crop the centre of the picture.
        detect_every: Frames from one face detection to the next, 1 or more.
        labels: Who is in which clip: columns clip and identity, optionally kind, note and split.
            Default: each file is an identity of its own.
        val_share: Share of the identities that go to validation, 0 to 1, if there is no column
            split.
        min_frames: Drop a shot with fewer kept frames than this, 2 or more.
        max_frames_per_shot: Keep only the first FRAMES frames of a shot. Default: all.
        overwrite: Replace existing output.
    """

    size: int = 256
    stride: int = 3
    face: bool = True
    detect_every: int = 5
    labels: Path | None = None
    val_share: float = 0.05
    min_frames: int = 8
    max_frames_per_shot: int | None = None
    overwrite: bool = False

    def __post_init__(self) -> None:
        if not MIN_SIDE <= self.size <= MAX_SIDE or self.size % SIDE_MULTIPLE:
            raise OptionError(
                f"the size must be a multiple of {SIDE_MULTIPLE} "
                f"from {MIN_SIDE} to {MAX_SIDE}, not {self.size}"
            )
        for name, least in (("stride", 1), ("detect_every", 1), ("min_frames", 2)):
            if getattr(self, name) < least:
                raise OptionError(f"{name} must be {least} or more, not {getattr(self, name)}")
        if not 0 <= self.val_share <= 1:
            raise OptionError(f"the validation share must be 0 to 1, not {self.val_share}")
        longest = self.max_frames_per_shot
        if longest is not None and longest < self.min_frames:
            raise OptionError(
                f"at most {longest} frames per shot contradict at least {self.min_frames}"
            )
