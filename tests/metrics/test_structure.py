from __future__ import annotations

import numpy as np
import pytest

from imfcodec.metrics.structure import MS_SSIM_SIDE, ms_ssim, ssim

Pair = tuple[np.ndarray, np.ndarray]


def noisy_pair(height: int, width: int) -> Pair:
    """A smooth picture and a noisy, darker version of it."""
    random = np.random.default_rng(5)
    y, x = np.mgrid[:height, :width]
    source = 128 + 60 * np.sin(x / 5)[..., None] * np.cos(y / 7)[..., None] * [1, 0.5, -1]
    coded = 0.9 * source + random.normal(0, 8, source.shape)
    return source.clip(0, 255).astype(np.uint8), coded.clip(0, 255).astype(np.uint8)


def flat(level: int, side: int = 176) -> np.ndarray:
    return np.full((side, side, 3), level, np.uint8)


@pytest.mark.parametrize("metric", [ssim, ms_ssim])
def test_equal_pictures(metric) -> None:
    source, _ = noisy_pair(MS_SSIM_SIDE, 200)
    assert metric(source, source) == pytest.approx(1, abs=1e-6)


def test_ssim_of_flat_pictures_is_its_luminance_term() -> None:
    # No structure at all: (2 a b + C1) / (a^2 + b^2 + C1), C1 = (0.01 * 255)^2.
    expected = (2 * 100 * 150 + 6.5025) / (100**2 + 150**2 + 6.5025)
    assert ssim(flat(100, 16), flat(150, 16)) == pytest.approx(expected, abs=1e-6)
    # Of the five scales, only the coarsest looks at the level.
    assert ms_ssim(flat(100), flat(150)) == pytest.approx(expected**0.1333, abs=5e-6)


def test_ssim_agrees_with_the_definition() -> None:
    """Window by window as in the paper, on the windows that lie inside the picture."""
    pair = noisy_pair(32, 40)
    source, coded = (picture.astype(float) for picture in pair)
    bell = np.exp(-((np.arange(11) - 5) ** 2) / (2 * 1.5**2))
    weights = np.outer(bell, bell)[..., None] / bell.sum() ** 2
    scores = []
    for top in range(source.shape[0] - 10):
        for left in range(source.shape[1] - 10):
            x = source[top : top + 11, left : left + 11]
            y = coded[top : top + 11, left : left + 11]
            mean_x, mean_y = (weights * x).sum((0, 1)), (weights * y).sum((0, 1))
            var_x = (weights * (x - mean_x) ** 2).sum((0, 1))
            var_y = (weights * (y - mean_y) ** 2).sum((0, 1))
            both = (weights * (x - mean_x) * (y - mean_y)).sum((0, 1))
            c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
            scores.append(
                (2 * mean_x * mean_y + c1)
                * (2 * both + c2)
                / ((mean_x**2 + mean_y**2 + c1) * (var_x + var_y + c2))
            )
    assert ssim(*pair) == pytest.approx(np.mean(scores), abs=1e-6)


def test_a_negative_scale_counts_as_nothing() -> None:
    source, _ = noisy_pair(MS_SSIM_SIDE, MS_SSIM_SIDE)
    assert ssim(source, 255 - source) < 0
    assert ms_ssim(source, 255 - source) == 0


@pytest.mark.parametrize(("metric", "side"), [(ssim, 11), (ms_ssim, 161)])
def test_less_than_a_window_is_refused(metric, side: int) -> None:
    assert metric(flat(9, side), flat(9, side)) == pytest.approx(1)
    with pytest.raises(ValueError, match=f"{side} pixels"):
        metric(flat(9, side - 1), flat(9, side - 1))
