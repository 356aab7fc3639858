"""Windows around heads."""

from __future__ import annotations

import math

import numpy as np
import pytest

from imfcodec.bitstream import Window
from imfcodec.sender.layout import placing
from imfcodec.sender.layout.placing import PlacedFrame
from imfcodec.sender.source_frame import SourceFrame
from tests.heads import SIZE, Place, Plan, frames_of, picture_of, placed, placer_of

FAR: Place = (-500, -500, 40)


def holds(window: Window, place: Place) -> bool:
    """Whether the face, as far as it is in the picture, lies in the window."""
    x, y, h = place
    left, top = max(0, x - 0.4 * h), max(0, y - 0.5 * h)
    right, bottom = min(SIZE[0], x + 0.4 * h), min(SIZE[1], y + 0.5 * h)
    return (
        window.left <= left
        and window.top <= top
        and right <= window.left + window.side
        and bottom <= window.top + window.side
    )


def changes(frames: list[PlacedFrame], layer: int = 1) -> list[Window | None]:
    """The successive windows of a layer."""
    out: list[Window | None] = []
    for frame in frames:
        window = frame.windows.get(layer)
        if not out or out[-1] != window:
            out.append(window)
    return out


@pytest.mark.parametrize("place", [(160, 96, 40), (160, 96, 60), (12, 10, 40), (315, 185, 40)])
def test_a_window_is_twice_the_face_and_inside_the_picture(place: Place) -> None:
    frames = placed(lambda n: [place], 10)
    [window] = changes(frames)
    assert window is not None
    assert holds(window, place)
    assert window.side == pytest.approx(2 * place[2], abs=1)
    assert 0 <= window.left <= SIZE[0] - window.side
    assert 0 <= window.top <= SIZE[1] - window.side
    assert window.coded_side == (128 if window.side <= 112 else 192)


def test_a_head_that_leaves() -> None:
    """Its window stays inside the picture, and is closed once the head has gone for a second."""
    frames = placed(lambda n: [(200 + 3 * n, 96, 40)] if n < 45 else [], 90)
    for frame in frames[:45]:
        [window] = frame.windows.values()
        assert window.left + window.side <= SIZE[0]
        if 200 + 3 * frame.frame.number < SIZE[0]:
            assert holds(window, (200 + 3 * frame.frame.number, 96, 40))
    assert frames[60].windows
    assert not frames[75].windows


def test_a_head_that_sways_keeps_its_window() -> None:
    frames = placed(lambda n: [(160 + 7 * math.sin(n / 5), 96 + 3 * math.sin(n / 3), 40)], 80)
    assert len(changes(frames)) == 1


def test_a_head_that_walks_away_gets_one_new_window() -> None:
    def plan(n: int) -> list[Place]:
        return [(110 + 4 * min(max(0, n - 50), 15), 96, 40)]

    frames = placed(plan, 100)
    first, second = changes(frames)
    assert first
    assert second
    assert first.side == 80
    assert second.side <= 2.8 * 40
    for frame in frames:
        assert holds(frame.windows[1], plan(frame.frame.number)[0])


def test_a_head_that_comes_nearer_gets_a_larger_window() -> None:
    first, *_, last = changes(placed(lambda n: [(160, 96, min(80, 30 + n))], 90))
    assert first
    assert last
    assert last.side >= 1.6 * 80 > first.side


@pytest.mark.parametrize("misses", [0, 1])
def test_a_detector_that_flickers_keeps_the_window(misses: int) -> None:
    """It is asked every four frames."""
    frames = placed(lambda n: [] if n // 4 % 2 == misses else [(160, 96, 40)], 90)
    assert len(changes(frames[4:])) == 1
    assert frames[4].windows


@pytest.mark.parametrize("number", [0, 20])
def test_a_false_detection_gets_no_window(number: int) -> None:
    frames = placed(lambda n: [(160, 96, 40 + n % 2)] if n // 4 == number // 4 else [], 60)
    assert changes(frames) == [None]


def test_a_picture_on_the_wall_gets_no_window() -> None:
    frames = placed(lambda n: [(160, 96, 40)], 60, talks=False)
    assert changes(frames) == [None]


def test_the_largest_heads_come_first() -> None:
    heads = [(50, 96, 30), (150, 96, 50), (260, 96, 40)]
    for frame in placed(lambda n: heads, 40, most=2):
        assert sorted(frame.windows) == [1, 2]
        assert holds(frame.windows[1], heads[1])
        assert holds(frame.windows[2], heads[2])


@pytest.mark.parametrize(("height", "takes"), [(40, False), (60, True)])
def test_a_much_larger_head_takes_the_window_of_another(height: int, takes: bool) -> None:
    late = (240, 96, height)
    frames = placed(lambda n: [(60, 96, 34), late] if n >= 40 else [(60, 96, 34)], 80, most=1)
    assert list(frames[-1].windows) == [1]
    assert holds(frames[-1].windows[1], late) == takes


def test_a_head_in_the_window_of_another_gets_none() -> None:
    frames = placed(lambda n: [(150, 96, 70), (192, 70, 26)], 40)
    assert [list(frame.windows) for frame in frames] == [[1]] * 40


def test_a_head_larger_than_the_picture() -> None:
    placer = placer_of(lambda n: [(160, 90, 260)])
    frames = frames_of(lambda n: [(160, 90, 260)], 40)
    out = [p for frame in frames for p in placer.push(frame, cut=False)]
    out += placer.flush()
    [window] = changes(out)
    assert window
    assert (window.side, window.top, window.coded_side) == (192, 0, 256)
    assert out[0].whole


@pytest.mark.parametrize(("height", "whole"), [(40, False), (70, False), (85, True)])
def test_whether_the_first_head_fills_the_picture(height: int, whole: bool) -> None:
    placer = placer_of(lambda n: [(160, 96, height if n < 30 else 90)])
    frames = frames_of(lambda n: [(160, 96, height)], 40)
    first = next(p for frame in frames for p in placer.push(frame, cut=False))
    assert first.whole == whole


def test_each_shot_is_whole_or_not() -> None:
    plan: Plan = lambda n: [(160, 96, 100)] if 10 <= n < 30 else [(100, 60, 40)]  # noqa: E731
    placer = placer_of(plan)
    out = [p for f in frames_of(plan, 40) for p in placer.push(f, cut=f.number in (10, 30))]
    out += placer.flush()
    assert [p.whole for p in out] == [False] * 10 + [True] * 20 + [False] * 10


def test_no_shot_is_whole_where_windows_are_asked_for() -> None:
    assert not any(p.whole for p in placed(lambda n: [(160, 96, 100)], 30, close_ups=False))


def test_layers_are_numbered_from_one_and_freed() -> None:
    def plan(n: int) -> list[Place]:
        first, second, third = (60, 96, 30), (160, 96, 30), (260, 96, 30)
        return [first] * (n < 20) + [second] * (n >= 10) + [third] * (n >= 60)

    frames = placed(plan, 100)
    assert list(frames[0].windows) == [1]
    assert list(frames[20].windows) == [1, 2]
    assert list(frames[55].windows) == [2]
    assert list(frames[80].windows) == [1, 2]
    assert holds(frames[80].windows[1], plan(80)[1])
    assert changes(frames, 2)[0] is None
    assert len(changes(frames, 2)) == 2


def test_a_cut_gives_the_new_shot_its_own_windows() -> None:
    def plan(n: int) -> list[Place]:
        return [(60, 96, 40)] if n < 33 else [(250, 96, 40)]

    placer = placer_of(plan)
    out = [p for f in frames_of(plan, 60) for p in placer.push(f, cut=f.number == 33)]
    out += placer.flush()
    first, second = changes(out)
    assert [frame.cut for frame in out].index(True) == 33
    for frame in out:
        assert frame.windows[1] == (first if frame.frame.number < 33 else second)


TIMES = {
    "regular": list(range(60)),
    "irregular": [n * 2 + n % 3 for n in range(60)],
    "pauses": [n + 400 * (n // 20) for n in range(60)],
    "fast": [0, *range(100_000, 100_059)],
}


@pytest.mark.parametrize("times", TIMES.values(), ids=TIMES)
def test_every_frame_comes_out_once_and_in_order(times: list[int]) -> None:
    plan: Plan = lambda n: [(160, 96, 40)] * (n % 17 < 11)  # noqa: E731
    frames = [SourceFrame(n, pts, picture_of(n, plan(n))) for n, pts in enumerate(times)]
    placer = placer_of(plan)
    out: list[PlacedFrame] = []
    for frame in frames:
        out += placer.push(frame, cut=frame.number == 31)
        assert out or frame.pts < 25  # frames wait for a second
    out += placer.flush()
    assert [p.frame for p in out] == frames
    assert [p.frame.number for p in out if p.cut] == [31]
    assert not list(placer.flush())


def test_frames_wait_only_as_far_as_memory_goes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(placing, "AHEAD_BYTES", 3 * 3 * SIZE[0] * SIZE[1] + 5)
    plan: Plan = lambda n: [(160, 96, 40)]  # noqa: E731
    placer, out = placer_of(plan), 0
    for frame in frames_of(plan, 50):
        out += len(list(placer.push(frame, cut=False)))
        assert out == max(0, frame.number - 2)
    assert len(list(placer.flush())) == 3


def test_random_heads_break_no_rule() -> None:
    """Windows lie in the picture, and every layer's number is one that the stream has."""
    rng = np.random.default_rng(5)
    steps = rng.normal(0, 4, (120, 5, 2)).cumsum(0) + rng.uniform((0, 0), SIZE, (5, 2))
    heights = rng.uniform(10, 120, 5)

    def plan(n: int) -> list[Place]:
        return [
            (float(x), float(y), float(h))
            for k, ((x, y), h) in enumerate(zip(steps[n], heights, strict=True))
            if (n // 25 + k) % 3
        ]

    for frame in placed(plan, 120, most=3):
        assert set(frame.windows) <= {1, 2, 3}
        for window in frame.windows.values():
            assert window.left + window.side <= SIZE[0]
            assert window.top + window.side <= SIZE[1]
