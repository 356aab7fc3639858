"""Windows over the base (FORMAT.md, section 10.1)."""

from __future__ import annotations

import numpy as np
import pytest

from imfcodec.bitstream import Window
from imfcodec.receiver.composition import FADE, Composer
from tests.codec.test_window_mask import SIZE, slow_mask

HERE, THERE, CORNER = Window(30, 20, 64, 64), Window(50, 24, 64, 64), Window(96, 32, 64, 64)
BASE = np.random.default_rng(0).integers(0, 256, (SIZE[1], SIZE[0], 3), np.uint8)
PICTURES = [np.random.default_rng(n).integers(0, 256, (64, 64, 3), np.uint8) for n in range(1, 9)]

Step = tuple[Window, int] | None
"""A window and the number of its picture."""


def shown(steps: list[dict[int, Step]], cuts: tuple[int, ...] = (0,)) -> list[np.ndarray]:
    """What is shown for the windows of successive frames."""
    composer = Composer(SIZE)
    before = BASE.copy()
    out = []
    for n, step in enumerate(steps):
        windows = {k: (s[0], PICTURES[s[1]]) for k, s in step.items() if s}
        out.append(composer.compose(BASE, windows, cut=n in cuts))
    assert np.array_equal(BASE, before)
    return out


def blend(below: np.ndarray, window: Window, picture: int, weight: np.ndarray) -> np.ndarray:
    out = below.astype(float)
    place = out[window.rows, window.columns]
    place += weight * (PICTURES[picture] - place)
    return out


def old_mask(old: Window, now: Window) -> np.ndarray:
    """The old window's mask at the pixels of the new one."""
    whole = np.zeros((SIZE[1], SIZE[0], 1))
    whole[old.rows, old.columns] = slow_mask(old)
    return whole[now.rows, now.columns]


def near(picture: np.ndarray, exact: np.ndarray) -> bool:
    return bool(np.abs(picture - exact).max() <= 1)


@pytest.mark.parametrize("window", [HERE, CORNER])
def test_a_window_of_a_first_frame_is_there_at_once(window: Window) -> None:
    [picture] = shown([{1: (window, 0)}])
    assert near(picture, blend(BASE, window, 0, slow_mask(window)))


def test_what_does_not_change_is_the_same_array() -> None:
    same = {1: (HERE, 0), 2: (CORNER, 1)}
    pictures = shown([same, same, {1: (HERE, 0), 2: (CORNER, 2)}, {1: (HERE, 0), 2: (CORNER, 2)}])
    assert pictures[0] is pictures[1] is not pictures[2]
    assert pictures[2] is pictures[3]
    assert all(picture is BASE for picture in shown([{}, {}, {}]))
    pictures = shown([{1: (HERE, 0)}] * 2 + [{}] * (FADE + 2))
    assert pictures[1 + FADE] is BASE
    assert pictures[2 + FADE] is BASE


def test_a_window_fades_in() -> None:
    pictures = shown([{}] + [{1: (HERE, n)} for n in range(7)])
    for k, picture in enumerate(pictures):
        s = min(1, k / 5)
        exact = blend(BASE, HERE, max(0, k - 1), s * slow_mask(HERE))
        assert near(picture, exact)


def test_a_window_fades_out_as_it_was() -> None:
    pictures = shown([{1: (HERE, 0)}, {1: (HERE, 1)}] + [{}] * 6)
    for k, picture in enumerate(pictures[2:], 1):
        assert near(picture, blend(BASE, HERE, 1, max(0, 1 - k / 5) * slow_mask(HERE)))


@pytest.mark.parametrize(("old", "now"), [(HERE, THERE), (HERE, CORNER), (THERE, CORNER)])
def test_a_window_that_moves(old: Window, now: Window) -> None:
    pictures = shown([{1: (old, 0)}] + [{1: (now, n)} for n in range(1, 8)])
    for k, picture in enumerate(pictures[1:], 1):
        s = min(1, k / 5)
        exact = blend(BASE, old, 0, (1 - s) * slow_mask(old))
        weight = slow_mask(now) * (s + (1 - s) * old_mask(old, now))
        assert near(picture, blend(exact, now, k, weight))


def test_a_change_ends_the_change_before() -> None:
    steps: list[dict[int, Step]] = [{1: (HERE, 0)}, {1: (THERE, 1)}, {1: (THERE, 2)}]
    pictures = shown([*steps, *({1: (CORNER, 3)} for _ in range(3))])
    for k, picture in enumerate(pictures[3:], 1):
        s = k / 5
        exact = blend(BASE, THERE, 2, (1 - s) * slow_mask(THERE))
        weight = slow_mask(CORNER) * (s + (1 - s) * old_mask(THERE, CORNER))
        assert near(picture, blend(exact, CORNER, 3, weight))


@pytest.mark.parametrize("cut", [2, 4])
def test_nothing_fades_at_a_cut(cut: int) -> None:
    """Nor does what has begun to fade go on."""
    steps: list[dict[int, Step]] = [{1: (HERE, 0)}] * 2 + [{1: (THERE, 1), 2: (CORNER, 2)}] * 4
    pictures = shown(steps, cuts=(0, cut))
    exact = blend(BASE, THERE, 1, slow_mask(THERE))
    exact = blend(exact, CORNER, 2, slow_mask(CORNER))
    for picture in pictures[cut:]:
        assert near(picture, exact)
    pictures = shown([{1: (HERE, 0)}] * 2 + [{}] * 4, cuts=(0, cut))
    assert all(picture is BASE for picture in pictures[cut:])


def test_layers_are_drawn_in_the_order_of_their_numbers() -> None:
    """Also if the first one comes last."""
    pictures = shown([{3: (THERE, 0)}] + [{3: (THERE, 0), 1: (HERE, 1)}] * 6)
    exact = blend(BASE, HERE, 1, slow_mask(HERE))
    assert near(pictures[-1], blend(exact, THERE, 0, slow_mask(THERE)))


def test_a_new_base_is_shown_through_the_same_windows() -> None:
    composer = Composer(SIZE)
    window = {1: (HERE, PICTURES[0])}
    composer.compose(BASE, window, cut=True)
    other = 255 - BASE
    picture = composer.compose(other, window, cut=False)
    place = other[HERE.rows, HERE.columns]
    exact = other.astype(float)
    exact[HERE.rows, HERE.columns] += slow_mask(HERE) * (PICTURES[0] - place.astype(float))
    assert near(picture, exact)


def test_a_window_is_scaled_to_its_place() -> None:
    flat = np.full((128, 128, 3), 200, np.uint8)
    large = Window(20, 10, 80, 128)
    picture = Composer(SIZE).compose(BASE * 0, {1: (large, flat)}, cut=True)
    assert near(picture[large.rows, large.columns], 200 * slow_mask(large))
