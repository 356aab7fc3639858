"""Rate control: bits so far -> settings of the next segment."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Final, Protocol

import numpy as np

from imfcodec.codec.pictures.av1 import MAX_CRF, MIN_CRF


@dataclass(frozen=True)
class SegmentSettings:
    """What may change from segment to segment.

    Attributes:
        key_crf: AV1 quality (CRF) of an independent key picture, 1 (best) to 63. A predicted one
            follows from its base's.
    """

    key_crf: float


WINDOW_COARSER: Final = 6
"""Added to the CRF of key pictures in a window: a face is larger there than in a whole picture."""

USUAL_SHARE: Final = 0.6
CRF_PER_HALVING: Final = 10
"""A window whose side is half of this share of the picture's short side gets so much more CRF: what
is shown small needs less detail."""

CRF_PER_WINDOW: Final = 3
"""Each further window at the same time takes so much more CRF, so that enough is left for the
base."""

USUAL_FACE_WEIGHT: Final = 5.0
CRF_PER_DOUBLING: Final = 3
"""A face weight of twice as much takes so much off the CRF of windows."""


def window_settings(
    settings: SegmentSettings, share: float, windows: int, face_weight: float
) -> SegmentSettings:
    """Settings of a window's segment.

    Args:
        settings: Of a whole picture at this time.
        share: Side of the window over the short side of the picture.
        windows: How many there are.
        face_weight: Of the user.
    """
    smaller = CRF_PER_HALVING * max(0.0, math.log2(USUAL_SHARE / share))
    finer = CRF_PER_DOUBLING * math.log2(face_weight / USUAL_FACE_WEIGHT)
    further = CRF_PER_WINDOW * (windows - 1)
    return with_finer_keys(settings, finer - WINDOW_COARSER - smaller - further)


def with_finer_keys(settings: SegmentSettings, finer: float) -> SegmentSettings:
    """Settings with so much less CRF, if AV1 has it."""
    return replace(settings, key_crf=min(max(settings.key_crf - finer, MIN_CRF), MAX_CRF))


class RateControl(Protocol):
    """Chooses the settings of one segment after the other."""

    def next(self, spent_bytes: int, time_s: Fraction, *, with_key: bool) -> SegmentSettings:
        """Settings of the next segment.

        Args:
            spent_bytes: Bytes of the stream so far, with its sound only if the rate includes it;
                perhaps without the segment before, which may still have to be coded.
            time_s: When the segment begins, in seconds from the beginning of the stream.
            with_key: Whether it has a key frame.
        """
        ...


@dataclass(frozen=True)
class ConstantQuality:
    """The same settings for every segment.

    Attributes:
        settings: These.
    """

    settings: SegmentSettings

    def next(self, spent_bytes: int, time_s: Fraction, *, with_key: bool) -> SegmentSettings:
        """See `RateControl.next`."""
        return self.settings


LIVE_KBPS: Final = {0: 3.6, 20: 4.6, 40: 6.0, 60: 7.5, 80: 10.3, 90: 17.4, 100: 88.0}
"""What a head of 256 x 256 pixels takes at low latency (mean of three training clips)."""


def live_quality(rate_bps: float) -> float:
    """The quality, 0 to 100, at which a head usually takes this rate in bit/s at low latency."""
    usual = [math.log(1000 * kbps) for kbps in LIVE_KBPS.values()]
    return float(np.interp(math.log(rate_bps), usual, list(LIVE_KBPS)))


PAYBACK_S: Final = 8.0
"""What has been spent too much is saved in about so many seconds, and the other way round."""

SLACK_S: Final = 1.5
"""A stream may be ahead of its rate, or behind it, by what the rate gives in so many seconds."""

CRF_PER_RATE_DOUBLING: Final = 12.0
"""About so much CRF of key pictures halves the rate, tokens included."""

LEAST, FINER, COARSER = 2.0, 4.0, 8.0
"""The CRF changes by so much at least, and by no more than so much down or up. The next key picture
cannot be predicted, and a much finer one would take what is to be spent in several seconds."""


class SteadyRate:
    """A rate met in one pass: the CRF changes once the stream has left it.

    It changes seldom, as a key picture of another CRF than its base's cannot be predicted.
    """

    def __init__(self, rate_bps: int, expected: SegmentSettings) -> None:
        """Set up.

        Args:
            rate_bps: Rate to meet in bit/s.
            expected: Settings that should meet it.
        """
        self._rate_bps, self._settings = rate_bps, expected
        self._changed_bytes, self._changed_s = 0, 0.0  # of the stream when they changed last

    def next(self, spent_bytes: int, time_s: Fraction, *, with_key: bool) -> SegmentSettings:
        """See `RateControl.next`."""
        now_s = float(time_s)
        ahead_s = 8 * spent_bytes / self._rate_bps - now_s
        if with_key and abs(ahead_s) > SLACK_S and now_s > self._changed_s:
            taken_bps = 8 * (spent_bytes - self._changed_bytes) / (now_s - self._changed_s)
            wanted_bps = self._rate_bps * 2 ** (-ahead_s / PAYBACK_S)
            step = CRF_PER_RATE_DOUBLING * math.log2(max(taken_bps, 1.0) / wanted_bps)
            if abs(step) >= LEAST:
                crf = self._settings.key_crf + min(max(step, -FINER), COARSER)
                self._settings = replace(self._settings, key_crf=min(max(crf, MIN_CRF), MAX_CRF))
                self._changed_bytes, self._changed_s = spent_bytes, now_s
        return self._settings
