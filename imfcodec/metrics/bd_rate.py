"""How much rate one codec saves over another at equal quality (Bjøntegaard's delta rate).

Per clip: the Pareto front of each curve, a monotone cubic (PCHIP) through log rate as a function
of the metric, the mean distance of the two on the interval of the metric that both reach.

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
from typing import TYPE_CHECKING, Final, NamedTuple

from imfcodec.errors import OptionError

if TYPE_CHECKING:
    from scipy.interpolate import PchipInterpolator

MIN_POINTS: Final = 4
"""Fewer points on a front leave its shape to the interpolation."""


class RatePoint(NamedTuple):
    """One point of a rate-distortion curve: rate in any unit above 0, and the metric there."""

    rate: float
    quality: float


Curve = tuple[RatePoint, ...]


@dataclass(frozen=True)
class BdRate:
    """What a comparison gave.

    Attributes:
        percent: Rate of the test curve against the anchor's at equal quality, less 100 %:
            -60 says that the test needs 40 % of the anchor's rate.
        interval: The lowest and the highest value of the metric that both curves reach.
        points: How many points carry each curve, (anchor, test).
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
    """A comparison that would say nothing.

    Attributes:
        reason: Which kind.
        detail: The same with its numbers, for people.
    """

    reason: Refusal
    detail: str


def bd_rate(
    anchor: Iterable[RatePoint | tuple[float, float]],
    test: Iterable[RatePoint | tuple[float, float]],
    *,
    higher_is_better: bool,
) -> BdRate | NoBdRate:
    """Compare two curves of one clip.

    Interpolation needs curves on which more rate is better; of each only its `front` counts.

    Args:
        anchor: (rate, metric) of the curve that is compared with, in any order.
        test: The same of the curve in question, in the same units.
        higher_is_better: Direction of the metric.

    Raises:
        OptionError: scipy is not installed.
        ValueError: A rate is not above 0.
    """
    fronts = [front(curve, higher_is_better=higher_is_better) for curve in (anchor, test)]
    for name, curve in zip(("anchor", "test"), fronts, strict=True):
        if len(curve) < MIN_POINTS:
            return NoBdRate(
                Refusal.TOO_FEW_POINTS,
                f"the {name} has {len(curve)} points on which more rate is better; "
                f"it takes {MIN_POINTS}",
            )
    low = max(min(point.quality for point in curve) for curve in fronts)
    high = min(max(point.quality for point in curve) for curve in fronts)
    if not low < high:
        return NoBdRate(
            Refusal.NO_COMMON_INTERVAL,
            f"one curve ends at {high:.6g}, where the other begins at {low:.6g} only",
        )
    log_rates = [float(_log_rate(curve).integrate(low, high)) / (high - low) for curve in fronts]
    percent = 100 * math.expm1(log_rates[1] - log_rates[0])
    return BdRate(percent, (low, high), (len(fronts[0]), len(fronts[1])))


def front(points: Iterable[RatePoint | tuple[float, float]], *, higher_is_better: bool) -> Curve:
    """The Pareto front: points that are strictly better than every point of no higher rate.

    Of a single curve it drops the points at which more rate does not help, of several curves
    together it is their envelope: the best of them at each rate. Points whose metric is not a
    finite number are left out.

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
        raise ValueError("a rate has to be above 0 and finite")
    kept: list[RatePoint] = []
    for point in sorted(finite, key=lambda point: (point.rate, -sign * point.quality)):
        if not kept or sign * point.quality > sign * kept[-1].quality:
            kept.append(point)
    return tuple(kept)


def _log_rate(curve: Curve) -> PchipInterpolator:
    """Natural logarithm of the rate as a function of the metric."""
    try:
        from scipy.interpolate import PchipInterpolator
    except ImportError as error:
        raise OptionError("BD-rate needs scipy: pip install 'imfcodec[bench]'") from error
    points = sorted(curve, key=lambda point: point.quality)
    return PchipInterpolator(
        [point.quality for point in points], [math.log(point.rate) for point in points]
    )
