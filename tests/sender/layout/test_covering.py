"""What a window covers costs the base no bits."""

from __future__ import annotations

import numpy as np

from imfcodec.bitstream import Window
from imfcodec.sender.layout.covering import Cover
from tests.heads import SIZE, frames_of

WINDOW = Window(110, 40, 100, 128)
INSIDE = np.s_[60:120, 130:190]
"""Where the window's mask is 1, well away from its edge."""


def covered(windows: list[dict[int, Window]]) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Pictures with a talking head, and what is left of them under windows."""
    pictures = [f.picture for f in frames_of(lambda n: [(160, 90, 50)], len(windows))]
    cover = Cover()
    before = [picture.copy() for picture in pictures]
    after = [cover.over(*pair) for pair in zip(pictures, windows, strict=True)]
    assert all(np.array_equal(*pair) for pair in zip(before, pictures, strict=True))
    return pictures, after


def roughness(picture: np.ndarray) -> float:
    """Largest step from a pixel to the next."""
    return max(float(np.abs(np.diff(picture.astype(int), axis=axis)).max()) for axis in (0, 1))


def test_the_inside_is_still_and_smooth() -> None:
    pictures, after = covered([{1: WINDOW}] * 6)
    for picture in after[1:]:
        assert np.array_equal(picture[INSIDE], after[0][INSIDE])
    assert not np.array_equal(pictures[0][INSIDE], pictures[1][INSIDE])
    assert roughness(after[0][INSIDE]) < roughness(pictures[0][INSIDE]) / 4


def test_the_outside_is_untouched() -> None:
    for picture, base in zip(*covered([{1: WINDOW, 2: Window(0, 0, 60, 128)}] * 3), strict=True):
        changed = (picture != base).any(2)
        changed[WINDOW.rows, WINDOW.columns] = False
        changed[:60, :60] = False
        assert not changed.any()


def test_without_windows_nothing_changes() -> None:
    pictures, after = covered([{}] * 3)
    assert all(a is b for a, b in zip(pictures, after, strict=True))


def test_a_window_that_moves_or_returns_covers_anew() -> None:
    windows = [{1: WINDOW}, {1: Window(120, 40, 100, 128)}, {1: WINDOW}, {}, {1: WINDOW}]
    pictures, after = covered(windows)
    assert after[3] is pictures[3]
    for n in (2, 4):
        # Another still picture: that of the frame in which the window has come back.
        assert not np.array_equal(after[0][INSIDE], after[n][INSIDE])


def test_extreme_pixels_do_not_wrap() -> None:
    rng = np.random.default_rng(0)
    picture = rng.choice(np.array([0, 255], np.uint8), (SIZE[1], SIZE[0], 3))
    picture[:, 160:] = 255
    base = Cover().over(picture, {1: WINDOW})
    assert base[INSIDE][:, 40:].min() > 200
