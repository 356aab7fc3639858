"""From the display size to the size that the network codes, and back.

    display  --resize-->  scaled  --pad-->  coded  --crop-->  scaled  --resize-->  display
    1920x1080             455x256           480x256

The scaled picture keeps the aspect of the display. The sides of the coded picture are multiples of
32; repeated copies of the last column and row fill it, which cost fewer bits than a black edge.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from imfcodec.errors import OptionError, UnsupportedVideo
from imfcodec.media.convert import Rgb, resize

MULTIPLE: Final = 32
"""The network halves a picture five times."""

MIN_SIDE: Final = 64
DEFAULT_SHORT_SIDE: Final = 256
MAX_ASPECT: Final = 16
"""A picture beyond this ratio is no talking head, and its long side would be huge."""

MAX_CODED_PIXELS: Final = 1 << 20
"""A larger coded size is refused: the cost of the attention grows with the square of the area."""

__all__ = ["CodingGeometry", "resize"]


@dataclass(frozen=True)
class CodingGeometry:
    """The three sizes of one stream, each (width, height) in pixels.

    Attributes:
        display: size of the source and of the output.
        scaled: size of the picture inside the coded one; it has the aspect of the display.
        coded: size that the network works on; both sides are multiples of 32.
    """

    display: tuple[int, int]
    scaled: tuple[int, int]
    coded: tuple[int, int]

    @classmethod
    def fit(cls, width: int, height: int, short_side: int = DEFAULT_SHORT_SIDE) -> CodingGeometry:
        """Choose the coding size for a display size.

        The short side is reduced to `short_side`. A smaller picture is enlarged only up to 64
        pixels, the least that the network can work on.

        Args:
            width: display width, pixels.
            height: display height, pixels.
            short_side: short side to code at, pixels, 64 or more.

        Returns:
            The geometry.

        Raises:
            OptionError: `short_side` is below 64, or so large that no decoder accepts the coded
                size.
            UnsupportedVideo: a side is not positive, or one is over 16 times the other.
        """
        if short_side < MIN_SIDE:
            raise OptionError(f"the short side must be {MIN_SIDE} or more, not {short_side}")
        short, long = sorted((width, height))
        if short < 1 or long > MAX_ASPECT * short:
            raise UnsupportedVideo(f"a picture of {width}x{height} cannot be coded")
        target = max(min(short, short_side), MIN_SIDE)
        scaled = (_scale(width, target, short), _scale(height, target, short))
        coded = (_round_up(scaled[0]), _round_up(scaled[1]))
        if coded[0] * coded[1] > MAX_CODED_PIXELS:
            raise OptionError(
                f"a short side of {short_side} codes this picture at {coded[0]}x{coded[1]}, "
                f"above the network's limit of {MAX_CODED_PIXELS} pixels"
            )
        return cls((width, height), scaled, coded)

    def to_coded(self, rgb: Rgb) -> Rgb:
        """Display to coded size: `resize`, then `pad`.

        Args:
            rgb: uint8 [H, W, 3] of the display size (or already of the scaled one).

        Returns:
            uint8 of the coded size.
        """
        return self.pad(resize(rgb, self.scaled))

    def to_display(self, rgb: Rgb) -> Rgb:
        """Coded to display size: `crop`, then `resize`.

        Args:
            rgb: uint8 [H, W, 3] of the coded size.

        Returns:
            uint8 of the display size.
        """
        return resize(self.crop(rgb), self.display)

    def pad(self, rgb: Rgb) -> Rgb:
        """Repeat the last column and row up to the coded size.

        Args:
            rgb: uint8 [H, W, 3] of the scaled size.

        Returns:
            uint8 of the coded size; `rgb` itself when nothing is missing.

        Raises:
            ValueError: `rgb` has another size.
        """
        _require(rgb, self.scaled)
        if self.scaled == self.coded:
            return rgb
        right = self.coded[0] - self.scaled[0]
        bottom = self.coded[1] - self.scaled[1]
        return np.pad(rgb, ((0, bottom), (0, right), (0, 0)), mode="edge")

    def crop(self, rgb: Rgb) -> Rgb:
        """Undo `pad`.

        Args:
            rgb: uint8 [H, W, 3] of the coded size.

        Returns:
            uint8 of the scaled size; `rgb` itself when nothing was padded.

        Raises:
            ValueError: `rgb` has another size.
        """
        _require(rgb, self.coded)
        if self.scaled == self.coded:
            return rgb
        width, height = self.scaled
        return np.ascontiguousarray(rgb[:height, :width])


def _scale(side: int, target: int, short: int) -> int:
    """`side * target / short`, rounded to nearest in integers: the same on every machine."""
    return (2 * side * target + short) // (2 * short)


def _round_up(side: int) -> int:
    return -(-side // MULTIPLE) * MULTIPLE


def _require(rgb: Rgb, size: tuple[int, int]) -> None:
    if rgb.shape != (size[1], size[0], 3):
        raise ValueError(f"expected a picture [{size[1]}, {size[0]}, 3], got {list(rgb.shape)}")
