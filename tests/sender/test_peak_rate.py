"""The highest rate of a stream over five seconds."""

from __future__ import annotations

from fractions import Fraction
from itertools import pairwise

import numpy as np

from imfcodec.sender.peak_rate import WINDOW_S, PeakRate


def peak(packets: list[tuple[float, int]]) -> int:
    found = PeakRate()
    for time_s, size_bytes in packets:
        found.add(Fraction(time_s), size_bytes)
    return found.peak_bytes


def test_the_first_window_does_not_count() -> None:
    assert peak([(0, 5000), (4.5, 900)]) == 0
    assert peak([(0, 5000), (5, 700), (9, 200)]) == 900


def test_every_later_window_counts() -> None:
    generator = np.random.default_rng(0)
    times = np.sort(generator.integers(0, 300, 60)) / 10
    sizes = generator.integers(1, 1000, 60)
    assert all(a <= b for a, b in pairwise(times))
    begins = [time for time in times if time >= WINDOW_S]
    windows = [int(sizes[(times >= b) & (times < b + WINDOW_S)].sum()) for b in begins]
    assert peak(list(zip(times.tolist(), sizes.tolist(), strict=True))) == max(windows)
