"""One frame of the source."""

from __future__ import annotations

from dataclasses import dataclass

from imfcodec.arrays import Picture


@dataclass(frozen=True)
class SourceFrame:
    """One frame to code: number, pts in ticks, RGB uint8 [H, W, 3].

    A layout takes pictures of display size, its layers those of their coded size.
    """

    number: int
    pts: int
    picture: Picture
