"""Least squares over time: tremble goes, movement stays."""

from __future__ import annotations

import numpy as np
import pytest

from imfcodec.sender.token_smoothing import STIFFNESS, smooth

STEP = np.array([0.5, 2.0], np.float32)


def curvature(count: int, *diagonal: float) -> np.ndarray:
    return np.tile(np.diag(diagonal).astype(np.float32), (count, 1, 1))


def noise(count: int) -> np.ndarray:
    return np.random.default_rng(3).normal(0, 0.2, (count, 2)).astype(np.float32) * STEP


def test_it_is_the_least_of_the_sum_that_is_promised() -> None:
    rng = np.random.default_rng(1)
    tokens, before = rng.normal(size=(9, 3)), rng.normal(size=3)
    step = np.array([0.3, 0.5, 0.9])
    root = rng.normal(size=(9, 3, 3))
    h = root @ root.swapaxes(1, 2)

    def total(x: np.ndarray) -> float:
        away, change = x - tokens, np.diff(np.vstack([before, x]), axis=0) / step
        return float(np.einsum("ni,nij,nj", away, h, away) + STIFFNESS * np.square(change).sum())

    best = smooth(tokens, h, step, before)
    for _ in range(20):
        assert total(best) < total(best + 0.01 * rng.normal(size=best.shape))


def test_still_tokens_stay() -> None:
    still = np.tile(np.array([[1.25, -3.0]], np.float32), (5, 1))
    assert smooth(still, curvature(5, 1, 1), STEP, still[0]) == pytest.approx(still, rel=1e-6)


def test_what_hardly_shows_is_damped_most() -> None:
    tokens = noise(2000)
    shown, hidden = smooth(tokens, curvature(2000, 0.4, 0.0004), STEP, None).std(0) / tokens.std(0)
    assert hidden < 0.5 < 0.8 < shown


def test_what_moves_is_followed() -> None:
    tokens = np.zeros((20, 2), np.float32)
    tokens[10:] = 5 * STEP
    smoothed = smooth(tokens, curvature(20, 0.4, 0.4), STEP, None)
    assert np.abs(smoothed - tokens).max() < 0.5 * STEP.max()


def test_a_packet_begins_where_the_last_one_ended() -> None:
    tokens = noise(30)
    h = curvature(30, 0.01, 0.01)
    first = smooth(tokens[:15], h[:15], STEP, None)
    leaning = smooth(tokens[15:], h[15:], STEP, first[-1])
    alone = smooth(tokens[15:], h[15:], STEP, None)
    assert (np.abs(leaning[0] - first[-1]) <= np.abs(alone[0] - first[-1])).all()


def test_one_token_is_itself() -> None:
    assert smooth(noise(1), curvature(1, 1, 1), STEP, None) == pytest.approx(noise(1), rel=1e-6)
