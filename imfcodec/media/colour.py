"""Meaning of the samples of a YUV picture: matrix, transfer, primaries and range.

Codes are those of ITU-T H.273, which libav uses unchanged. Files often leave them out. The same
rule then fills the gaps, when reading and for output formats that cannot carry tags:

* RGB pixel formats: matrix 0, full range, sRGB transfer;
* matrix: BT.601 when the short side is below 720 lines, BT.709 from there on (a portrait
  picture counts like its landscape twin);
* range: limited, except for the `yuvj` formats and for grey, whose untagged files are full.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import Final

from av import VideoFormat

from imfcodec.errors import UnsupportedVideo

HD_LINES: Final = 720


class Matrix(IntEnum):
    """H.273 matrix coefficients that can be converted to RGB."""

    RGB = 0
    BT709 = 1
    FCC = 4
    BT470BG = 5
    SMPTE170M = 6
    SMPTE240M = 7
    BT2020 = 9


UNSPECIFIED: Final = 2
TRANSFER_BT709: Final = 1
TRANSFER_SMPTE170M: Final = 6
TRANSFER_SRGB: Final = 13
HDR_TRANSFERS: Final = frozenset({16, 18})
"""PQ and HLG."""

PRIMARIES_BT709: Final = 1
PRIMARIES_SMPTE170M: Final = 6
NARROW_PRIMARIES: Final = frozenset({1, 5, 6, 7})
"""BT.709 and primaries close to it: confusing them is hardly visible."""

_UNSET: Final = frozenset({UNSPECIFIED, 3})
"""Unspecified, and the reserved code that some writers store by mistake."""
RANGE_FULL: Final = 2
"""libav's `AVCOL_RANGE_JPEG`; 1 is limited, 0 unspecified."""


@dataclass(frozen=True)
class Colour:
    """Resolved colour description: no field is 'unspecified'.

    Attributes:
        matrix: H.273 MatrixCoefficients.
        transfer: H.273 TransferCharacteristics.
        primaries: H.273 ColourPrimaries.
        full_range: H.273 VideoFullRangeFlag.
    """

    matrix: int
    transfer: int
    primaries: int
    full_range: bool


def resolve_colour(
    pix_fmt: VideoFormat,
    width: int,
    height: int,
    *,
    matrix: int = UNSPECIFIED,
    transfer: int = UNSPECIFIED,
    primaries: int = UNSPECIFIED,
    av_range: int = 0,
) -> Colour:
    """Fill the gaps in a picture's colour tags.

    Args:
        pix_fmt: pixel format of the decoded picture.
        width: stored width, pixels.
        height: stored height, pixels.
        matrix: H.273 code as tagged.
        transfer: H.273 code as tagged.
        primaries: H.273 code as tagged.
        av_range: libav's range: 0 unspecified, 1 limited, 2 full.

    Returns:
        The complete colour description.

    Raises:
        UnsupportedVideo: the matrix has no conversion to RGB here (ICtCp, YCgCo, ...).
    """
    if pix_fmt.is_rgb or pix_fmt.has_palette:
        return Colour(
            int(Matrix.RGB),
            TRANSFER_SRGB if transfer in _UNSET else transfer,
            PRIMARIES_BT709 if primaries in _UNSET else primaries,
            full_range=True,
        )
    hd = min(width, height) >= HD_LINES
    # Matrix 0 contradicts a YUV format; it counts as no tag.
    if matrix in _UNSET or matrix == Matrix.RGB:
        matrix = Matrix.BT709 if hd else Matrix.SMPTE170M
    elif matrix not in set(Matrix):
        raise UnsupportedVideo(f"colour matrix {matrix} (H.273) cannot be converted to RGB")
    if transfer in _UNSET:
        transfer = TRANSFER_BT709 if hd else TRANSFER_SMPTE170M
    if primaries in _UNSET:
        primaries = PRIMARIES_BT709 if hd else PRIMARIES_SMPTE170M
    full = av_range == RANGE_FULL or pix_fmt.name.startswith("yuvj")
    if is_grey(pix_fmt) and av_range == 0:
        full = True
    return Colour(int(matrix), transfer, primaries, full)


def is_grey(pix_fmt: VideoFormat) -> bool:
    """Whether the format has luma alone (alpha aside)."""
    return len([part for part in pix_fmt.components if not part.is_alpha]) == 1 and not (
        pix_fmt.is_rgb or pix_fmt.has_palette
    )


def bit_depth(pix_fmt: VideoFormat) -> int:
    """Bits of the deepest component."""
    return max(part.bits for part in pix_fmt.components)
