"""The display matrix: how a stored picture is turned before it is shown.

A phone stores the picture as the sensor saw it, and the rotation as metadata. libav reads the
matrix but does not apply it. With row vectors and y down: x' = a x + c y, y' = b x + d y.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable
from dataclasses import dataclass
from typing import cast

import numpy as np
from av import VideoFrame
from av.sidedata.sidedata import SideData

from imfcodec.media.convert import Rgb

_DISPLAY_MATRIX = "DISPLAYMATRIX"


@dataclass(frozen=True)
class Orientation:
    """One of the eight orientations of a picture.

    Attributes:
        transposed: whether rows first become columns.
        flip_x: whether left and right are then exchanged.
        flip_y: whether top and bottom are then exchanged.
        exact: whether the rotation is a multiple of 90 degrees; if not, this is the nearest one.
    """

    transposed: bool = False
    flip_x: bool = False
    flip_y: bool = False
    exact: bool = True

    @classmethod
    def of(cls, frame: VideoFrame) -> Orientation:
        """Read the orientation of a decoded frame; upright if it has none."""
        for data in cast("Iterable[SideData]", frame.side_data):
            if data.type.name == _DISPLAY_MATRIX:
                return cls.from_matrix(bytes(data))
        return cls()

    @classmethod
    def from_matrix(cls, matrix: bytes) -> Orientation:
        """Read a display matrix.

        Args:
            matrix: nine native int32 (a b u, c d v, x y w); scale and translation are ignored.

        Returns:
            The nearest orientation; upright for a matrix of zeros.
        """
        a, b, _, c, d = struct.unpack_from("=5i", matrix)
        transposed = abs(b) > abs(a)
        along, across = (b, a) if transposed else (a, b)
        exact = abs(across) * 100 <= abs(along)
        if transposed:
            return cls(True, flip_x=c < 0, flip_y=b < 0, exact=exact)
        return cls(False, flip_x=a < 0, flip_y=d < 0, exact=exact)

    @property
    def mirrored(self) -> bool:
        """Whether the picture is mirrored as well as rotated."""
        return self.transposed ^ self.flip_x ^ self.flip_y

    @property
    def rotation(self) -> int:
        """Clockwise turn from stored to shown: 0, 90, 180 or 270 degrees."""
        if self.transposed:
            return 270 if self.flip_y else 90
        return 180 if self.flip_y else 0

    def size(self, width: int, height: int) -> tuple[int, int]:
        """Size after turning; its own inverse.

        Args:
            width: pixels before.
            height: pixels before.

        Returns:
            (width, height) after.
        """
        return (height, width) if self.transposed else (width, height)

    def apply(self, rgb: Rgb) -> Rgb:
        """Turn a stored picture upright.

        Args:
            rgb: uint8 [H, W, 3] as stored.

        Returns:
            uint8 [H, W, 3], or [W, H, 3] for a quarter turn; contiguous.
        """
        if self.transposed:
            rgb = rgb.swapaxes(0, 1)
        if self.flip_x:
            rgb = rgb[:, ::-1]
        if self.flip_y:
            rgb = rgb[::-1]
        return np.ascontiguousarray(rgb)
