"""One frame of the source."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from imfcodec.arrays import Picture


@dataclass(frozen=True)
class SourceFrame:
    """One frame to code: number, pts in ticks, RGB uint8 [H, W, 3].

    A layout takes pictures of display size, its layers those of their coded size.
    """

    number: int
    pts: int
    picture: Picture

    def resized(self, change: Callable[[Picture], Picture]) -> SourceFrame:
        """The same frame with another picture made of this one."""
        return replace(self, picture=change(self.picture))
