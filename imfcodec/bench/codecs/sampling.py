"""Fewer pixels and fewer pictures, as codecs use them at very low rates."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from itertools import islice

import numpy as np

from imfcodec.arrays import Picture
from imfcodec.bench.clip import Clip, reduced_size
from imfcodec.errors import UnsupportedVideo
from imfcodec.media import resize


@dataclass(frozen=True)
class Sampling:
    """How a clip is thinned out before coding and filled up after decoding.

        clip ─ every second frame ─ resize ─ coded pictures ─ resize ─ every frame twice ─ clip

    Resizing is swscale's: Lanczos to shrink, bicubic to enlarge. Sides are even, as 4:2:0 wants
    them: a source with an odd side is coded with its last column or row repeated, and cropped.

    Attributes:
        short_side: Pixels to which the short side is reduced, None for the clip's own size.
        half_rate: Whether every second frame is left out; a decoded frame then stands for two.
    """

    short_side: int | None = None
    half_rate: bool = False

    @property
    def suffix(self) -> str:
        """For names: `-192px-half`; empty for a clip as it is."""
        size = f"-{self.short_side}px" if self.short_side else ""
        return size + ("-half" if self.half_rate else "")

    @property
    def label(self) -> str:
        """For people: `, 192 px, half rate`; empty for a clip as it is."""
        size = f", {self.short_side} px" if self.short_side else ""
        return size + (", half rate" if self.half_rate else "")

    def size(self, clip: Clip) -> tuple[int, int]:
        """Width and height to code, pixels, both even.

        Raises:
            UnsupportedVideo: The clip is not larger than the size that was asked for.
        """
        if self.short_side is None:
            return clip.width + clip.width % 2, clip.height + clip.height % 2
        short = min(clip.width, clip.height)
        if self.short_side >= short:
            raise UnsupportedVideo(
                f"{clip.path}: its short side of {short} px is not above {self.short_side} px"
            )
        return reduced_size(clip.width, clip.height, self.short_side)

    def rate(self, clip: Clip) -> Fraction:
        """Coded pictures per second."""
        return clip.rate / 2 if self.half_rate else clip.rate

    def reduce(self, clip: Clip) -> Iterator[Picture]:
        """The pictures to code, one at a time."""
        size = self.size(clip)
        for picture in islice(clip.pictures(), 0, None, 2 if self.half_rate else 1):
            if self.short_side is None:
                yield _pad(picture, size)
            else:
                yield resize(picture, size)

    def restore(self, decoded: Iterable[Picture], clip: Clip) -> Iterator[Picture]:
        """A picture of the clip's size for every frame of the clip.

        As many frames as were decoded can account for, and no more: a decoder that loses
        pictures comes out short.
        """
        frames = 0
        for picture in decoded:
            if self.short_side is None:
                picture = picture[: clip.height, : clip.width]
            else:
                picture = resize(picture, (clip.width, clip.height))
            # Of an odd number of frames the last has no second one to stand for.
            copies = 2 if self.half_rate and frames != clip.frames - 1 else 1
            for _ in range(copies):
                yield np.ascontiguousarray(picture)
            frames += copies


AS_IT_IS = Sampling()
"""All pixels and all pictures."""


def _pad(picture: Picture, size: tuple[int, int]) -> Picture:
    height, width = picture.shape[:2]
    return np.pad(picture, ((0, size[1] - height), (0, size[0] - width), (0, 0)), mode="edge")
