"""How much rate one codec saves over another at equal quality (Bjøntegaard's delta rate).

For each clip, a monotone cubic (PCHIP) interpolates the log rate over the metric on the Pareto
front of each curve. Several curves are joined by the least rate at each value of the metric. The
result is the mean distance of the two sides over the values of the metric that both reach.

    log rate │ anchor  ╭──
             │     ╭───╯ ╭─    percent = 100 (exp(mean distance) - 1): negative saves rate
             │  ╭──╯ ╭───╯
             │ ─╯ ╭──╯  test
             └────┴──────┴── metric
                 common interval
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from imfcodec.errors import OptionError

MIN_POINTS: Final = 4
"""Least number of points on the fronts of a side; with fewer, interpolation decides its shape."""

_SAMPLES: Final = 8192
"""Number of values of the metric at which the two sides are compared."""


class RatePoint(NamedTuple):
    """One point of a rate-distortion curve: rate in any unit above 0, and the metric there."""

    rate: float
    quality: float


Curve = tuple[RatePoint, ...]
Points = Iterable[RatePoint | tuple[float, float]]
Values = npt.NDArray[np.float64]


@dataclass(frozen=True)
class BdRate:
    """Result of a comparison.

    Attributes:
        percent: Change in rate of the test curve against the anchor at equal quality: -60 means
            that the test needs 40 % of the anchor's rate.
        interval: The lowest and the highest value of the metric that both curves reach.
        points: Number of points on the fronts of each side, (anchor, test).
    """

    percent: float
    interval: tuple[float, float]
    points: tuple[int, int]


class Refusal(StrEnum):
    """Why there is no BD-rate."""

    TOO_FEW_POINTS = "too few points"
    NO_COMMON_INTERVAL = "no common interval"


@dataclass(frozen=True)
class NoBdRate:
    """A comparison that is not possible.

    Attributes:
        reason: Kind of reason.
        detail: The reason in words, with numbers.
    """

    reason: Refusal
    detail: str


class Envelope:
    """Several curves as one: the least rate at which any of them reaches a value of the metric.

    Attributes:
        points: Number of points on its fronts.
        low, high: The lowest and the highest value of the metric that a curve reaches; both NaN
            where no curve can be interpolated.
    """

    def __init__(self, curves: Iterable[Points], *, higher_is_better: bool) -> None:
        """Interpolate the front of each curve that has two points or more on it.

        Raises:
            OptionError: scipy is not installed.
            ValueError: A rate is not above 0.
        """
        try:
            from scipy.interpolate import PchipInterpolator
        except ImportError as error:
            raise OptionError("BD-rate needs scipy: pip install 'imfcodec[bench]'") from error
        fronts = [front(curve, higher_is_better=higher_is_better) for curve in curves]
        drawn = [sorted(f, key=lambda point: point.quality) for f in fronts if len(f) > 1]
        self.points = sum(map(len, fronts))
        self.low = min((f[0].quality for f in drawn), default=math.nan)
        self.high = max((f[-1].quality for f in drawn), default=math.nan)
        self._log_rates = [
            PchipInterpolator(
                [point.quality for point in f],
                [math.log(point.rate) for point in f],
                extrapolate=False,
            )
            for f in drawn
        ]

    def log_rate(self, quality: Values) -> Values:
        """Natural logarithm of the least rate; NaN where no curve reaches the value."""
        least = np.full(len(quality), np.nan)
        for log_rate in self._log_rates:
            least = np.fmin(least, log_rate(quality))
        return least


def bd_rate(
    anchor: Iterable[Points], test: Iterable[Points], *, higher_is_better: bool
) -> BdRate | NoBdRate:
    """Compare two sides on one clip; each is one curve or the `Envelope` of several.

    Interpolation needs curves on which more rate is better, so only the `front` of each counts.

    Args:
        anchor: Curves of the anchor, each (rate, metric) in any order.
        test: Curves of the tested codec, in the same units.
        higher_is_better: Direction of the metric.

    Raises:
        OptionError: scipy is not installed.
        ValueError: A rate is not above 0.
    """
    sides = [Envelope(curves, higher_is_better=higher_is_better) for curves in (anchor, test)]
    for name, side in zip(("anchor", "test"), sides, strict=True):
        if side.points < MIN_POINTS:
            return NoBdRate(
                Refusal.TOO_FEW_POINTS,
                f"the {name} has {side.points} points on which more rate is better; "
                f"it takes {MIN_POINTS}",
            )
    low, high = max(side.low for side in sides), min(side.high for side in sides)
    steps = (np.arange(_SAMPLES) + 0.5) / _SAMPLES
    values = low + (high - low) * steps
    distance = sides[1].log_rate(values) - sides[0].log_rate(values)
    both = np.isfinite(distance)
    if not low < high or not both.any():
        return NoBdRate(
            Refusal.NO_COMMON_INTERVAL,
            f"no value of the metric is reached by both: the anchor goes from "
            f"{sides[0].low:.6g} to {sides[0].high:.6g}, the test from {sides[1].low:.6g} to "
            f"{sides[1].high:.6g}",
        )
    percent = 100 * math.expm1(float(distance[both].mean()))
    return BdRate(percent, (low, high), (sides[0].points, sides[1].points))


def front(points: Points, *, higher_is_better: bool) -> Curve:
    """The Pareto front: points that are strictly better than every point of no higher rate.

    Points at which more rate is not better are dropped, and those whose metric is not finite.

    Args:
        points: (rate, metric), in any order.
        higher_is_better: Direction of the metric.

    Returns:
        The front in the order of rising rate.

    Raises:
        ValueError: A rate is not above 0.
    """
    sign = 1 if higher_is_better else -1
    finite = [RatePoint(*point) for point in points if math.isfinite(point[1])]
    if any(not 0 < point.rate < math.inf for point in finite):
        raise ValueError("a rate must be above 0 and finite")
    kept: list[RatePoint] = []
    for point in sorted(finite, key=lambda point: (point.rate, -sign * point.quality)):
        if not kept or sign * point.quality > sign * kept[-1].quality:
            kept.append(point)
    return tuple(kept)
