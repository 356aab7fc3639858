"""One number for quality: what it sets."""

from __future__ import annotations

from dataclasses import astuple, dataclass
from typing import Final


@dataclass(frozen=True)
class OperatingPoint:
    """What a quality sets.

    Attributes:
        key_crf: AV1 quality (CRF) of key frames.
        quantiser: Quantiser step of the tokens.
        keyframe_interval_s: Time between key frames in seconds.
    """

    key_crf: float
    quantiser: int
    keyframe_interval_s: float


LADDER: Final = {
    0: OperatingPoint(56, 6, 6.0),
    20: OperatingPoint(46, 6, 5.0),
    40: OperatingPoint(39, 5, 4.0),
    60: OperatingPoint(34, 4, 3.0),
    80: OperatingPoint(30, 4, 1.5),
    90: OperatingPoint(22, 4, 1.0),
    100: OperatingPoint(4, 4, 1 / 3),
}
"""Points by quality."""

MAX_QUALITY: Final = max(LADDER)


def point_of(quality: float) -> OperatingPoint:
    """The operating point of a quality, 0 to 100; between the points of the ladder, a mean."""
    below = max(step for step in LADDER if step <= quality)
    above = min(step for step in LADDER if step >= quality)
    share = (quality - below) / (above - below or 1)
    crf, quantiser, interval_s = (
        low + share * (high - low)
        for low, high in zip(astuple(LADDER[below]), astuple(LADDER[above]), strict=True)
    )
    return OperatingPoint(crf, round(quantiser), interval_s)
