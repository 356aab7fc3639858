"""One number for quality: what it sets."""

from __future__ import annotations

import math
from dataclasses import astuple, dataclass
from itertools import pairwise
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


LIVE_KBPS: Final = {0: 3.6, 20: 4.6, 40: 6.0, 60: 7.5, 80: 10.3, 90: 17.4, 100: 88.0}
"""What a head of 256 x 256 pixels takes at low latency (mean of three training clips)."""


def live_quality(rate_bps: float) -> float:
    """The quality, 0 to 100, at which a head usually takes this rate in bit/s at low latency."""
    wanted = math.log(rate_bps / 1000)
    for (low, least), (high, most) in pairwise(LIVE_KBPS.items()):
        if wanted <= math.log(most):
            share = (wanted - math.log(least)) / math.log(most / least)
            return low + max(share, 0.0) * (high - low)
    return float(MAX_QUALITY)
