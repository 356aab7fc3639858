from __future__ import annotations

import numpy as np
import pytest

from imfcodec.sender.token_smoothing import RADIUS, REACH, smooth

STEP = np.array([0.5, 2.0], np.float32)
NOTHING = np.empty((0, 2), np.float32)


def noise(count: int) -> np.ndarray:
    return np.random.default_rng(3).normal(0, 0.2, (count, 2)).astype(np.float32) * STEP


def test_still_tokens_stay() -> None:
    still = np.tile(np.array([[1.25, -3.0]], np.float32), (5, 1))
    assert smooth(still, NOTHING, STEP) == pytest.approx(still, rel=1e-6)


def test_noise_is_damped() -> None:
    """A Gaussian of sigma 1 leaves 1 / sqrt(2 sqrt(pi)) = 0.531 of white noise."""
    tokens = noise(4000)
    left = smooth(tokens, NOTHING, STEP).std(0) / tokens.std(0)
    assert left == pytest.approx([0.531, 0.531], abs=0.02)


def test_what_moves_is_followed_within_reach() -> None:
    tokens = np.zeros((20, 2), np.float32)
    tokens[10:] = 5 * STEP
    smoothed = smooth(tokens, NOTHING, STEP)
    assert np.abs(smoothed - tokens).max(0) == pytest.approx(REACH * STEP)


def test_packets_join_without_a_seam() -> None:
    """Only the frames that lack their future differ from filtering all at once."""
    tokens = noise(60)
    whole = smooth(tokens, NOTHING, STEP)
    second = smooth(tokens[25:], tokens[:25], STEP)
    assert second == pytest.approx(whole[25:], abs=1e-6)
    first = smooth(tokens[:25], NOTHING, STEP)
    assert first[:-RADIUS] == pytest.approx(whole[: 25 - RADIUS], abs=1e-6)


def test_one_token_is_itself() -> None:
    assert smooth(noise(1), NOTHING, STEP) == pytest.approx(noise(1), rel=1e-6)
