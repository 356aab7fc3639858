"""When frames become key frames."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from imfcodec.sender.planning.keyframe_policy import KeyframePolicy
from imfcodec.sender.segment import KeyKind
from tests.conftest import moving_picture

BASE = Fraction(1, 25)


def decide(
    pictures: list[np.ndarray],
    interval: float | None = None,
    cuts: bool = True,
    at: int = -1,
    **options: bool,
) -> list:
    """Numbers of the key frames; the frame ``at`` begins a shot."""
    policy = KeyframePolicy(interval, cuts, time_base=BASE, **options)
    return [n for n, p in enumerate(pictures) if taken(policy, n, p, cut=n == at)]


def taken(
    policy: KeyframePolicy, n: int, picture: np.ndarray, *, cut: bool = False
) -> KeyKind | None:
    """Decide, and make that very key frame."""
    if kind := policy.decide(n, picture, cut=cut):
        policy.take(n, kind)
    return kind


def test_first_frame_only_without_a_reason() -> None:
    assert decide([moving_picture(n) for n in range(20)]) == [0]


def test_scene_cut() -> None:
    scene = [moving_picture(n) for n in range(8)]
    other = [255 - p for p in scene]
    assert decide(scene + other, at=8) == [0, 8]
    assert decide(scene + other, cuts=False, at=8, drift=False) == [0]


def test_interval() -> None:
    assert decide([moving_picture(0)] * 10, interval=4) == [0, 4, 8]


def test_a_cut_restarts_the_interval() -> None:
    scene = [moving_picture(0)] * 3
    assert decide(scene + [255 - p for p in scene] * 2, interval=4, at=3) == [0, 3, 7]


def test_a_fade_is_followed() -> None:
    """25 fps: from black within one second, and still from then on."""
    pictures = [(moving_picture(0) * min(n / 25, 1.0)).astype(np.uint8) for n in range(100)]
    keys = decide(pictures)
    assert 4 <= len(keys) <= 8
    assert max(b - a for a, b in zip(keys, [*keys[1:], 25], strict=True)) <= 8
    assert min(np.diff(keys)) >= 5
    assert keys[-1] <= 30
    assert decide(pictures, drift=False) == [0]


def test_a_swing_of_exposure_is_followed() -> None:
    swing = [1 + 0.4 * np.sin(n / 12) for n in range(100)]
    pictures = [(moving_picture(0) * s / 1.4).astype(np.uint8) for s in swing]
    keys = decide(pictures)
    held = [max(k for k in keys if k <= n) for n in range(100)]
    for begin in range(0, 100, 12):
        frames = range(begin, min(begin + 12, 100))
        got = np.mean([np.abs(pictures[n].astype(int) - pictures[held[n]]).mean() for n in frames])
        best = min(
            np.mean([np.abs(pictures[n].astype(int) - pictures[k]).mean() for n in frames])
            for k in frames
        )
        assert got <= best + 12


def test_neither_movement_nor_a_flash_is_drift() -> None:
    pictures = [moving_picture(n, 128, 128) for n in range(60)]
    pictures[30] = np.full_like(pictures[30], 255)
    assert decide(pictures) == [0]


def kinds(pictures: list[np.ndarray], interval: float, base: float, at: int = -1) -> str:
    """A letter for each frame: Independent, Predicted or none."""
    policy = KeyframePolicy(interval, scene_cut=True, base_ticks=base, time_base=BASE)
    decisions = (taken(policy, n, p, cut=n == at) for n, p in enumerate(pictures))
    return "".join(kind.name[0] if kind else "." for kind in decisions)


def test_the_interval_asks_for_predicted_key_frames() -> None:
    assert kinds([moving_picture(0)] * 10, interval=3, base=99) == "I..P..P..P"
    assert kinds([moving_picture(0)] * 10, interval=3, base=0) == "I..I..I..I"


def test_a_base_grows_only_so_old() -> None:
    assert kinds([moving_picture(0)] * 12, interval=2, base=5) == "I.P.P.I.P.P."


def test_a_cut_is_predicted_from_nothing() -> None:
    scene = [moving_picture(0)] * 4
    assert kinds(scene + [255 - p for p in scene], interval=3, base=99, at=4) == "I..PI..P"


def test_what_was_not_predicted_after_all_is_the_new_base() -> None:
    policy = KeyframePolicy(2, scene_cut=False, base_ticks=5, time_base=BASE)
    got = []
    for n in range(12):
        got.append(taken(policy, n, moving_picture(0)))
        if n == 4:
            policy.take(n, KeyKind.INDEPENDENT)
    assert [n for n, kind in enumerate(got) if kind is KeyKind.INDEPENDENT] == [0, 10]
    assert [n for n, kind in enumerate(got) if kind is KeyKind.PREDICTED] == [2, 4, 6, 8]


def test_low_frame_rates(recwarn: pytest.WarningsRecorder) -> None:
    """A fade in steps of half a second, one tick a frame."""
    pictures = [(moving_picture(0) * min(n / 8, 1.0)).astype(np.uint8) for n in range(12)]
    policy = KeyframePolicy(None, True, 500, time_base=Fraction(1, 2))
    keys = [n for n, p in enumerate(pictures) if taken(policy, n, p)]
    assert len(keys) >= 6
    assert not recwarn.list
