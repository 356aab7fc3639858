from __future__ import annotations

import math
import sys

import numpy as np
import pytest

from imfcodec.errors import OptionError
from imfcodec.metrics.fidelity import psnr_rgb_db, psnr_y_db, ssim


def flat(red: int, green: int, blue: int) -> np.ndarray:
    return np.full((16, 24, 3), (red, green, blue), np.uint8)


@pytest.fixture
def pair() -> tuple[np.ndarray, np.ndarray]:
    """A smooth picture and a noisy, darker version of it."""
    random = np.random.default_rng(5)
    y, x = np.mgrid[:32, :40]
    source = 128 + 60 * np.sin(x / 5)[..., None] * np.cos(y / 7)[..., None] * [1, 0.5, -1]
    coded = 0.9 * source + random.normal(0, 8, source.shape)
    return source.clip(0, 255).astype(np.uint8), coded.clip(0, 255).astype(np.uint8)


@pytest.mark.parametrize("metric", [psnr_rgb_db, psnr_y_db])
def test_equal_pictures_are_infinitely_close(metric) -> None:
    assert metric(flat(1, 2, 3), flat(1, 2, 3)) == math.inf


def test_psnr_of_a_known_error() -> None:
    # 10 in one channel of three: a mean square of 100 / 3.
    assert psnr_rgb_db(flat(0, 0, 0), flat(10, 0, 0)) == pytest.approx(32.902, abs=5e-4)
    assert psnr_rgb_db(flat(0, 0, 0), flat(255, 255, 255)) == 0


def test_psnr_does_not_depend_on_the_order() -> None:
    """Bytes that wrap round would make 3 - 5 larger than 5 - 3."""
    assert psnr_rgb_db(flat(3, 3, 3), flat(5, 5, 5)) == psnr_rgb_db(flat(5, 5, 5), flat(3, 3, 3))


@pytest.mark.parametrize(("channel", "weight"), [(0, 0.2126), (1, 0.7152), (2, 0.0722)])
def test_luma_weights_are_those_of_bt709(channel: int, weight: float) -> None:
    coded = flat(0, 0, 0)
    coded[..., channel] = 100
    assert psnr_y_db(flat(0, 0, 0), coded) == pytest.approx(-20 * math.log10(weight * 100 / 255))


def test_luma_of_white_reaches_the_peak() -> None:
    assert psnr_y_db(flat(0, 0, 0), flat(255, 255, 255)) == pytest.approx(0, abs=1e-9)


def test_ssim_of_equal_pictures(pair) -> None:
    assert ssim(pair[0], pair[0]) == pytest.approx(1, abs=1e-12)


def test_ssim_of_flat_pictures_is_its_luminance_term() -> None:
    # No structure at all: (2 a b + C1) / (a^2 + b^2 + C1), C1 = (0.01 * 255)^2.
    expected = (2 * 100 * 150 + 6.5025) / (100**2 + 150**2 + 6.5025)
    assert ssim(flat(100, 100, 100), flat(150, 150, 150)) == pytest.approx(expected)


def test_ssim_agrees_with_the_definition(pair) -> None:
    """Window by window as in the paper, on the windows that lie inside the picture."""
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


@pytest.mark.parametrize("metric", [psnr_rgb_db, psnr_y_db, ssim])
def test_pictures_that_cannot_be_compared(metric) -> None:
    with pytest.raises(ValueError, match="cannot be compared"):
        metric(flat(0, 0, 0), flat(0, 0, 0)[1:])
    with pytest.raises(ValueError, match="expected uint8"):
        metric(flat(0, 0, 0), flat(0, 0, 0).astype(np.float32))
    with pytest.raises(ValueError, match="expected uint8"):
        metric(flat(0, 0, 0)[..., 0], flat(0, 0, 0)[..., 0])


def test_ssim_refuses_less_than_a_window() -> None:
    with pytest.raises(ValueError, match="11 pixels"):
        ssim(flat(0, 0, 0)[:10], flat(0, 0, 0)[:10])


def test_a_missing_library_names_its_extra(pair, monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "skimage.metrics", None)
    with pytest.raises(OptionError, match=r"imfcodec\[bench\]"):
        ssim(*pair)
