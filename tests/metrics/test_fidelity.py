from __future__ import annotations

import math

import numpy as np
import pytest

from imfcodec.metrics.fidelity import capped_db, psnr_rgb_db, psnr_y_db
from imfcodec.metrics.structure import ms_ssim, ssim


def flat(red: int, green: int, blue: int) -> np.ndarray:
    return np.full((16, 24, 3), (red, green, blue), np.uint8)


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


def test_a_mean_takes_equal_frames_as_a_hundred_db() -> None:
    one_level = flat(0, 0, 0)
    one_level[0, 0, 0] = 1
    assert capped_db(math.inf) == 100
    # Nothing that is worse than equal reaches the cap at the size of a talking head.
    assert capped_db(psnr_rgb_db(flat(0, 0, 0), one_level)) < 100
    assert capped_db(31.5) == 31.5


@pytest.mark.parametrize("metric", [psnr_rgb_db, psnr_y_db, ssim, ms_ssim])
def test_pictures_that_cannot_be_compared(metric) -> None:
    with pytest.raises(ValueError, match="cannot be compared"):
        metric(flat(0, 0, 0), flat(0, 0, 0)[1:])
    with pytest.raises(ValueError, match="expected uint8"):
        metric(flat(0, 0, 0), flat(0, 0, 0).astype(np.float32))
    with pytest.raises(ValueError, match="expected uint8"):
        metric(flat(0, 0, 0)[..., 0], flat(0, 0, 0)[..., 0])
