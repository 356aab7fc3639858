"""Detail that stays where a run stands still (FORMAT.md, section 10.2)."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from imfcodec.codec.lasting_detail import LastingDetail

RNG = np.random.default_rng(3)
KEY = cv2.GaussianBlur(RNG.integers(0, 256, (32, 64, 3), np.uint8), (5, 5), 0)
RESTORED = np.clip(KEY + RNG.integers(-20, 21, KEY.shape), 0, 255).astype(np.uint8)


def test_where_nothing_changes_the_restored_picture_stays() -> None:
    detail = LastingDetail(KEY, RESTORED)
    assert np.array_equal(detail.add(KEY), RESTORED)
    assert np.array_equal(detail.add(KEY), RESTORED)


def test_where_everything_changes_no_detail_stays() -> None:
    later = np.where(KEY < 128, 255, 0).astype(np.uint8)
    later = cv2.blur(later, (9, 9))
    changed = np.abs(cv2.blur(later.astype(float), (5, 5)) - cv2.blur(KEY.astype(float), (5, 5)))
    far = changed.mean(2) > 30
    assert far.mean() > 0.5
    assert np.array_equal(LastingDetail(KEY, RESTORED).add(later)[far], later[far])


def test_no_detail_changes_nothing() -> None:
    later = RNG.integers(0, 256, KEY.shape, np.uint8)
    assert np.array_equal(LastingDetail(KEY, KEY).add(later), later)


@pytest.mark.parametrize("change", [1, 3, 6, 12])
def test_formula_of_the_document(change: int) -> None:
    later = np.clip(KEY + RNG.integers(-2 * change, 2 * change + 1, KEY.shape) + change, 0, 255)

    def mean(picture: np.ndarray) -> np.ndarray:
        border = cv2.BORDER_REFLECT_101  # the outermost pixels are not repeated
        return np.asarray(cv2.blur(picture.astype(np.float64), (5, 5), borderType=border))

    d = np.abs(mean(later) - mean(KEY)).mean(2, keepdims=True)
    exact = later + np.exp(-((d / 6) ** 2)) * (RESTORED.astype(float) - KEY)
    shown = LastingDetail(KEY, RESTORED).add(later.astype(np.uint8))
    assert np.abs(shown - exact.clip(0, 255)).max() <= 0.501


def test_a_small_change_keeps_the_detail_elsewhere() -> None:
    later = KEY.copy()
    later[10:16, 10:16] ^= 0x80
    shown = LastingDetail(KEY, RESTORED).add(later)
    assert np.array_equal(shown[:, 20:], RESTORED[:, 20:])
    assert np.abs(shown[12:14, 12:14].astype(int) - later[12:14, 12:14]).max() <= 1
