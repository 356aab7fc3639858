"""When frames become key frames."""

from __future__ import annotations

import numpy as np

from imfcodec.sender.keyframe_policy import KeyframePolicy, KeyKind
from tests.conftest import moving_picture


def decide(pictures: list[np.ndarray], interval: float | None = None, cuts: bool = True) -> list:
    policy = KeyframePolicy(interval, cuts)
    return [n for n, p in enumerate(pictures) if taken(policy, n, p)]


def taken(policy: KeyframePolicy, n: int, picture: np.ndarray) -> KeyKind | None:
    """Decide, and make that very key frame."""
    if kind := policy.decide(n, picture):
        policy.take(n, kind)
    return kind


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


def kinds(pictures: list[np.ndarray], interval: float, base: float) -> str:
    """A letter for each frame: Independent, Predicted or none."""
    policy = KeyframePolicy(interval, scene_cut=True, base_ticks=base)
    decisions = (taken(policy, n, p) for n, p in enumerate(pictures))
    return "".join(kind.name[0] if kind else "." for kind in decisions)


def test_the_interval_asks_for_predicted_key_frames() -> None:
    assert kinds([moving_picture(0)] * 10, interval=3, base=99) == "I..P..P..P"
    assert kinds([moving_picture(0)] * 10, interval=3, base=0) == "I..I..I..I"


def test_a_base_grows_only_so_old() -> None:
    assert kinds([moving_picture(0)] * 12, interval=2, base=5) == "I.P.P.I.P.P."


def test_a_cut_is_predicted_from_nothing() -> None:
    scene = [moving_picture(0)] * 4
    assert kinds(scene + [255 - p for p in scene], interval=3, base=99) == "I..PI..P"


def test_what_was_not_predicted_after_all_is_the_new_base() -> None:
    policy = KeyframePolicy(2, scene_cut=False, base_ticks=5)
    got = []
    for n in range(12):
        got.append(taken(policy, n, moving_picture(0)))
        if n == 4:
            policy.take(n, KeyKind.INDEPENDENT)
    assert [n for n, kind in enumerate(got) if kind is KeyKind.INDEPENDENT] == [0, 10]
    assert [n for n, kind in enumerate(got) if kind is KeyKind.PREDICTED] == [2, 4, 6, 8]
