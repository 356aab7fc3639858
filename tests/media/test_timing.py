from __future__ import annotations

from fractions import Fraction
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from imfcodec.media.timing import FrameClock, nominal_duration


def clock() -> FrameClock:
    return FrameClock(Fraction(1, 1000), Fraction(40))


def test_the_first_frame_is_the_origin():
    timer = clock()
    assert [timer.place(pts) for pts in (500, 540, 600)] == [0, 40, 100]
    assert timer.complaints() == []


def test_missing_timestamps_follow_the_nominal_rate():
    timer = clock()
    assert [timer.place(pts) for pts in (None, None, 100, None)] == [0, 40, 100, 140]
    assert timer.missing == 3


def test_doubled_timestamps_move_by_one_tick():
    timer = clock()
    assert [timer.place(pts) for pts in (0, 40, 40, 30, 80)] == [0, 40, 41, 42, 80]
    assert timer.corrected == 2


def test_a_restarted_clock_carries_on():
    timer = clock()
    assert [timer.place(pts) for pts in (9000, 12000, 0, 40)] == [0, 3000, 3040, 3080]
    assert timer.restarts == 1
    assert "restarted" in timer.complaints()[0]


@given(st.lists(st.none() | st.integers(-(2**62), 2**62), max_size=30))
def test_times_always_increase(timestamps):
    timer = clock()
    placed = [timer.place(pts) for pts in timestamps]
    assert all(later > earlier for earlier, later in pairwise(placed))
    assert placed[:1] in ([], [0])


def test_nominal_duration():
    tick = Fraction(1, 30000)
    assert nominal_duration(tick, Fraction(30000, 1001)) == 1001
    assert nominal_duration(tick, None, Fraction(15)) == 2000
    assert nominal_duration(tick, None, Fraction(90000)) == 1200
    assert nominal_duration(tick, Fraction(0)) == 1200
