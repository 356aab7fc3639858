"""Where shots begin."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from imfcodec.sender.planning.shots import ShotDetector
from imfcodec.sender.source_frame import SourceFrame
from tests.conftest import moving_picture


def person(which: int, frame: int) -> np.ndarray:
    """One of several scenes that have nothing in common, each with something that moves."""
    rng = np.random.default_rng(which)
    ground = rng.integers(0, 256, (6, 6, 3), np.uint8).repeat(16, 0).repeat(16, 1)
    x, y = 30 + 10 * np.cos(frame / 6), 40 + 10 * np.sin(frame / 6)
    rows, columns = np.mgrid[:96, :96]
    ground[np.hypot(columns - x, rows - y) < 14] = rng.integers(0, 256, 3)
    return ground


def cuts(pictures: list[np.ndarray], fps: float, *, hasty: bool) -> list[int]:
    """Numbers of the frames at which the detector cuts; all frames must come back in order."""
    detector = ShotDetector(Fraction(1, 1000), hasty=hasty)
    known = []
    for n, picture in enumerate(pictures):
        known += detector.push(SourceFrame(n, round(1000 * n / fps), picture))
        if hasty:
            assert len(known) == n + 1  # no frame waits
    known += detector.flush()
    assert [frame.number for frame, _ in known] == list(range(len(pictures)))
    return [frame.number for frame, cut in known if cut]


@pytest.mark.parametrize("hasty", [False, True])
@pytest.mark.parametrize("fps", [5, 12, 25, 30, 60, 120])
def test_cuts_a_quarter_of_a_second_apart(fps: int, hasty: bool) -> None:
    begins = [round(0.25 * fps * shot) for shot in range(7)]
    pictures = [
        person(sum(n >= begin for begin in begins), n) for n in range(begins[-1] + fps // 4 + 1)
    ]
    assert cuts(pictures, fps, hasty=hasty) == begins[1:]


@pytest.mark.parametrize("hasty", [False, True])
def test_a_flash_is_no_cut(hasty: bool) -> None:
    pictures = [person(1, n) for n in range(75)]
    for n in (20, 21, 45, 60):
        pictures[n] = np.full_like(pictures[n], 250)
    # Without waiting the first one cannot be told from a cut, and its end is one as well.
    assert cuts(pictures, 25, hasty=hasty) == ([20, 22] if hasty else [])


@pytest.mark.parametrize("hasty", [False, True])
@pytest.mark.parametrize("period", [1, 2, 3])
def test_alternating_pictures_are_no_storm(period: int, hasty: bool) -> None:
    pictures = [person(1 + n // period % 2, n) for n in range(100)]
    # Those called in haste, or the last one, of which nobody knows how long it would last.
    assert len(cuts(pictures, 25, hasty=hasty)) <= (2 if hasty else 1)


@pytest.mark.parametrize("hasty", [False, True])
def test_a_shaking_camera_is_no_cut(hasty: bool) -> None:
    rng = np.random.default_rng(3)
    large = np.pad(moving_picture(0, 160, 160), ((16, 16), (16, 16), (0, 0)), mode="reflect")
    pictures = []
    for n in range(75):
        x, y = rng.integers(0, 24, 2) if 25 <= n < 50 else (12, 12)
        pictures.append(large[y : y + 160, x : x + 160])
    assert cuts(pictures, 25, hasty=hasty) == []


@pytest.mark.parametrize("hasty", [False, True])
def test_a_picture_in_between_does_not_hide_the_cut(hasty: bool) -> None:
    pictures = [person(1, n) for n in range(20)] + [person(2, 0)] * 2
    pictures += [person(3, n) for n in range(20)]
    found = cuts(pictures, 25, hasty=hasty)
    assert found == ([20, 22] if hasty else [22])


@pytest.mark.parametrize("hasty", [False, True])
@pytest.mark.parametrize("level", [0, 255])
@pytest.mark.parametrize("frames", [1, 2])
def test_a_cut_through_a_flash_is_a_cut(frames: int, level: int, hasty: bool) -> None:
    """The two people are far less unlike than each is to the flash."""
    first = np.full((96, 96, 3), 120, np.uint8)
    first[::8] = 160
    second = np.full((96, 96, 3), 140, np.uint8)
    second[:, ::16] = 100
    flash = np.full_like(first, level)
    found = cuts([first] * 30 + [flash] * frames + [second] * 30, 25, hasty=hasty)
    assert found[-1] == 30 + frames


def test_noise_is_no_series_of_cuts() -> None:
    rng = np.random.default_rng(0)
    coarse = [
        rng.integers(0, 256, (8, 8, 3), np.uint8).repeat(8, 0).repeat(8, 1) for _ in range(60)
    ]
    assert len(cuts(coarse, 25, hasty=False)) <= 1
    assert len(cuts(coarse, 25, hasty=True)) <= 2


def test_a_last_shot_is_as_long_as_it_is() -> None:
    assert cuts([person(1, n) for n in range(20)] + [person(2, 0)], 25, hasty=False) == [20]
