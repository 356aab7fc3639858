from __future__ import annotations

import numpy as np
import pytest

from imfcodec.metrics.motion import MotionError


@pytest.fixture
def video() -> np.ndarray:
    """uint8 [6, 8, 10, 3], below 200."""
    return np.random.default_rng(3).integers(0, 200, (6, 8, 10, 3), np.uint8)


def score(source: np.ndarray, coded: np.ndarray) -> float | None:
    meter = MotionError()
    for x, y in zip(source, coded, strict=True):
        meter.add(x, y)
    return meter.value()


def test_a_frozen_picture_scores_exactly_one(video: np.ndarray) -> None:
    assert score(video, np.repeat(video[:1], len(video), axis=0)) == 1


def test_the_source_itself_and_a_constant_offset_score_zero(video: np.ndarray) -> None:
    assert score(video, video) == 0
    assert score(video, video + np.uint8(30)) == 0


def test_motion_backwards_scores_two(video: np.ndarray) -> None:
    assert score(video, 255 - video) == 2


def test_a_known_ratio() -> None:
    # The source goes 0, 10, 10, 0 and the coded video 0, 4, 8, 5: errors 6, 4, 7 over 20.
    source, coded = (
        np.array(levels, np.uint8)[:, None, None, None] * np.ones((1, 4, 4, 3), np.uint8)
        for levels in ([0, 10, 10, 0], [0, 4, 8, 5])
    )
    assert score(source, coded) == pytest.approx(17 / 20)


def test_it_agrees_with_the_formula(video: np.ndarray) -> None:
    coded = np.random.default_rng(4).integers(0, 256, video.shape, np.uint8)
    x, y = (np.diff(v.astype(float), axis=0) for v in (video, coded))
    assert score(video, coded) == pytest.approx(np.abs(x - y).sum() / np.abs(x).sum())


def test_a_frozen_picture_scores_one_where_the_region_moves(video: np.ndarray) -> None:
    meter = MotionError()
    for n, frame in enumerate(video):
        meter.add(frame, video[0], (slice(n % 3, n % 3 + 4), slice(n, n + 4)))
    assert meter.value() == 1


def test_only_the_region_counts(video: np.ndarray) -> None:
    coded = video.copy()
    coded[:, 4:] = video[0, 4:]  # the upper half moves, the lower one is frozen
    halves = [MotionError() for _ in range(2)]
    for source, shown in zip(video, coded, strict=True):
        for meter, rows in zip(halves, (slice(0, 4), slice(4, 8)), strict=True):
            meter.add(source, shown, (rows, slice(None)))
    assert [meter.value() for meter in halves] == [0, 1]


def test_a_buffer_that_is_used_again_does_no_harm(video: np.ndarray) -> None:
    meter, buffer = MotionError(), np.empty_like(video[0])
    for frame in video:
        buffer[:] = frame
        meter.add(buffer, video[0])
    assert meter.value() == 1


def test_a_source_that_does_not_move_has_no_score(video: np.ndarray) -> None:
    assert MotionError().value() is None
    assert score(video[:1], video[:1]) is None
    assert score(video[[0, 0]], video[:2]) is None


def test_the_size_may_not_change(video: np.ndarray) -> None:
    meter = MotionError()
    meter.add(video[0], video[0])
    with pytest.raises(ValueError, match="cannot be compared"):
        meter.add(video[1, 1:], video[1, 1:])
