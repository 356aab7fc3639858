"""A rate met in one pass."""

from __future__ import annotations

from fractions import Fraction

import pytest

from imfcodec.quality import LADDER
from imfcodec.sender.rate import LIVE_KBPS, SegmentSettings, SteadyRate, live_quality

FPS = 25


def spent(rate_bps: int, scale: float, seconds: int) -> tuple[int, list[float]]:
    """What a stream takes whose bytes are so many times what was expected, and the CRFs."""
    steady = SteadyRate(rate_bps, SegmentSettings(34.0))
    total, base_crf, crfs = 0.0, None, []
    for frame in range(FPS * seconds):
        with_key = frame % (3 * FPS) == 0
        settings = steady.next(round(total), Fraction(frame, FPS), with_key=with_key)
        if with_key:
            independent = settings.key_crf != base_crf or frame % (21 * FPS) == 0
            base_crf = settings.key_crf
            crfs.append(base_crf)
            total += scale * (1500 if independent else 700) * 2 ** ((34 - base_crf) / 9)
        total += 4
    return round(total), crfs


@pytest.mark.parametrize("scale", [0.5, 1, 2, 4])
@pytest.mark.parametrize("rate_bps", [3000, 5000, 9000])
def test_the_rate_is_met(rate_bps: int, scale: float) -> None:
    taken, _ = spent(rate_bps, scale, 120)
    assert abs(8 * taken / rate_bps - 120) < 5  # seconds


def test_the_crf_rests_while_the_rate_is_met() -> None:
    assert set(spent(1343, 0.25, 120)[1]) == {34.0}
    assert len(set(spent(3400, 1, 120)[1])) < 20  # of 40
    assert spent(10**6, 1, 60)[1][-1] == 1
    assert spent(100, 1, 60)[1][-1] == 63


def test_frames_without_a_key_change_nothing() -> None:
    steady = SteadyRate(5000, SegmentSettings(34.0))
    for second in range(10):
        assert steady.next(10**5, Fraction(second), with_key=False).key_crf == 34
    assert steady.next(10**5, Fraction(10), with_key=True).key_crf == 42
    assert steady.next(10**5, Fraction(10), with_key=True).key_crf == 42  # at the same time


def test_the_quality_that_is_expected() -> None:
    assert [live_quality(1000 * kbps) for kbps in LIVE_KBPS.values()] == pytest.approx(
        list(LIVE_KBPS)
    )
    assert live_quality(1) == 0
    assert live_quality(10**9) == 100
    assert LIVE_KBPS.keys() == LADDER.keys()
