from __future__ import annotations

import pytest

from imfcodec.metrics.worst import worst_mean


def test_five_percent_of_the_frames() -> None:
    values = [float(n) for n in range(40)]
    assert worst_mean(values, higher_is_better=False) == (38.5, 39)
    assert worst_mean(values, higher_is_better=True) == (0.5, 0)


def test_a_part_of_a_frame_counts_as_one() -> None:
    assert worst_mean([3, 1, 2], higher_is_better=False) == (3, 0)
    assert worst_mean([0.0] * 19 + [1, 2], higher_is_better=False) == (1.5, 20)


def test_the_first_of_equals() -> None:
    assert worst_mean([1, 5, 5, 1], higher_is_better=False) == (5, 1)


def test_no_frames() -> None:
    with pytest.raises(ValueError, match="no frames"):
        worst_mean([], higher_is_better=True)
