from __future__ import annotations

import math
import sys

import numpy as np
import pytest

from imfcodec.errors import OptionError
from imfcodec.metrics.bd_rate import BdRate, NoBdRate, Refusal, bd_rate, front

pytest.importorskip("scipy")

# Four operating points of two encoders, kbps and dB, as examples of the measure often have them.
ANCHOR = [(686.76, 40.28), (309.58, 37.18), (157.11, 34.24), (85.95, 31.42)]
TEST = [(893.34, 40.39), (407.8, 37.21), (204.93, 34.17), (112.75, 31.24)]


def integrated(anchor: list[tuple[float, float]], test: list[tuple[float, float]]) -> float:
    """The same by the definition: the mean of the difference, sampled densely."""
    from scipy.interpolate import PchipInterpolator

    curves = []
    for points in (anchor, test):
        rate, quality = np.array(sorted(points, key=lambda point: point[1])).T
        curves.append(PchipInterpolator(quality, np.log10(rate)))
    low = max(curve.x[0] for curve in curves)
    high = min(curve.x[-1] for curve in curves)
    step = (high - low) / 20_000
    middles = low + step * (np.arange(20_000) + 0.5)
    return float(100 * (10 ** np.mean(curves[1](middles) - curves[0](middles)) - 1))


def percent(result: BdRate | NoBdRate) -> float:
    assert isinstance(result, BdRate), result
    return result.percent


def test_a_known_example() -> None:
    result = bd_rate([ANCHOR], [TEST], higher_is_better=True)
    assert isinstance(result, BdRate)
    assert result.interval == (31.42, 40.28)
    assert result.points == (4, 4)
    assert result.percent == pytest.approx(integrated(ANCHOR, TEST), abs=1e-4)
    # Cubic polynomials instead of PCHIP give 31.40 on these well-behaved curves.
    assert result.percent == pytest.approx(31.40, abs=0.05)


@pytest.mark.parametrize("factor", [0.4, 1.0, 2.5])
def test_a_scaled_rate_is_exactly_the_scale(factor: float) -> None:
    scaled = [(factor * rate, quality) for rate, quality in ANCHOR]
    result = bd_rate([ANCHOR], [scaled], higher_is_better=True)
    assert percent(result) == pytest.approx(100 * (factor - 1), abs=1e-9)


def test_both_ways_undo_each_other() -> None:
    there = percent(bd_rate([ANCHOR], [TEST], higher_is_better=True))
    back = percent(bd_rate([TEST], [ANCHOR], higher_is_better=True))
    assert (1 + there / 100) * (1 + back / 100) == pytest.approx(1)


def test_a_metric_that_is_better_when_lower() -> None:
    mirrored = [[[(r, 100 - q) for r, q in points]] for points in (ANCHOR, TEST)]
    result = bd_rate(*mirrored, higher_is_better=False)
    assert percent(result) == pytest.approx(
        percent(bd_rate([ANCHOR], [TEST], higher_is_better=True))
    )


def test_only_the_common_interval_counts() -> None:
    """Rate is exp(quality) and, for the test, twice that; it reaches further up."""
    anchor = [(math.exp(q), q) for q in (1.0, 2.0, 3.0, 4.0)]
    test = [(2 * math.exp(q), q) for q in (2.0, 3.0, 4.0, 5.0)]
    result = bd_rate([anchor], [test], higher_is_better=True)
    assert isinstance(result, BdRate)
    assert result.interval == (2.0, 4.0)
    assert result.percent == pytest.approx(100)


def test_points_where_more_rate_does_not_help_are_dropped() -> None:
    waste = [(700.0, 40.0), (300.0, 31.0), (309.58, 36.0)]
    result = bd_rate([ANCHOR + waste], [TEST], higher_is_better=True)
    assert result == bd_rate([ANCHOR], [TEST], higher_is_better=True)


def test_too_few_points() -> None:
    for curves in ((ANCHOR[:3], TEST), (ANCHOR, [*TEST[:3], (900.0, 40.0)])):
        result = bd_rate(*([curve] for curve in curves), higher_is_better=True)
        assert isinstance(result, NoBdRate)
        assert result.reason is Refusal.TOO_FEW_POINTS
        assert "3 points" in result.detail


@pytest.mark.parametrize("gap", [40.28 - 31.24, 20.0])
def test_no_common_interval(gap: float) -> None:
    """Apart, or touching in one point only."""
    above = [(rate, quality + gap) for rate, quality in TEST]
    result = bd_rate([ANCHOR], [above], higher_is_better=True)
    assert isinstance(result, NoBdRate)
    assert result.reason is Refusal.NO_COMMON_INTERVAL


def test_a_rate_of_nothing() -> None:
    with pytest.raises(ValueError, match="above 0"):
        bd_rate([[(0.0, 1.0), *ANCHOR]], [TEST], higher_is_better=True)


FULL = [(4.0, 30.0), (8.0, 34.0), (16.0, 38.0), (32.0, 42.0)]


@pytest.mark.parametrize(
    "other",
    [
        [(7.5, 30.6), (15.0, 34.6), (30.0, 38.6)],
        [(5.5, 31.0), (11.0, 35.0), (22.0, 39.0)],
    ],
)
def test_a_worse_curve_beside_it_does_not_weaken_an_anchor(other) -> None:
    """Its points lie between those of the better one, which has none that beat them."""
    assert percent(bd_rate([FULL, other], [FULL], higher_is_better=True)) == pytest.approx(0)


def test_of_several_curves_the_cheapest_counts_at_each_value() -> None:
    """Half the rate up to 36, more above: log rates differ by ln 2 on half of the interval."""
    cheap = [(rate / 2, quality) for rate, quality in FULL]
    dear = [(rate * 2, quality) for rate, quality in FULL]
    low = [(r, q) for r, q in cheap if q < 35]
    result = bd_rate([FULL], [low, dear], higher_is_better=True)
    assert isinstance(result, BdRate)
    assert result.points == (4, 6)
    # 30 to 34 at half the rate, 34 to 42 at twice: a third and two thirds of the interval.
    assert result.percent == pytest.approx(100 * (2 ** (2 / 3 - 1 / 3) - 1), abs=0.2)


def test_a_gap_that_no_curve_reaches_is_left_out() -> None:
    parts = [[(r / 2, q) for r, q in part] for part in (FULL[:2], FULL[2:])]
    result = bd_rate([FULL], parts, higher_is_better=True)
    assert percent(result) == pytest.approx(-50, abs=0.5)


def test_the_front_leaves_out_what_is_no_number() -> None:
    points = [(1.0, math.nan), (2.0, math.inf), (3.0, 0.5), (4.0, 0.5), (5.0, 0.4)]
    assert front(points, higher_is_better=False) == ((3.0, 0.5), (5.0, 0.4))


def test_a_missing_library_names_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "scipy.interpolate", None)
    with pytest.raises(OptionError, match=r"imfcodec\[bench\]"):
        bd_rate([ANCHOR], [TEST], higher_is_better=True)
