"""When frames become key frames."""

from __future__ import annotations

import numpy as np

from imfcodec.sender.keyframe_policy import KeyframePolicy
from tests.conftest import moving_picture


def decide(pictures: list[np.ndarray], interval: float | None = None, cuts: bool = True) -> list:
    policy = KeyframePolicy(interval, cuts)
    return [n for n, p in enumerate(pictures) if policy.is_key(n, p)]


def test_first_frame_only_without_a_reason() -> None:
    assert decide([moving_picture(n) for n in range(20)]) == [0]


def test_scene_cut() -> None:
    scene = [moving_picture(n) for n in range(8)]
    other = [255 - p for p in scene]
    assert decide(scene + other) == [0, 8]
    assert decide(scene + other, cuts=False) == [0]


def test_interval() -> None:
    assert decide([moving_picture(0)] * 10, interval=4) == [0, 4, 8]


def test_a_cut_restarts_the_interval() -> None:
    scene = [moving_picture(0)] * 3
    assert decide(scene + [255 - p for p in scene] * 2, interval=4) == [0, 3, 7]


def test_noise_is_no_series_of_cuts() -> None:
    rng = np.random.default_rng(0)
    coarse = [
        rng.integers(0, 256, (8, 8, 3), np.uint8).repeat(8, 0).repeat(8, 1) for _ in range(30)
    ]
    assert len(decide(coarse)) <= 3
