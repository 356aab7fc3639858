from __future__ import annotations

import pytest

from imfcodec.codec.pictures.av1 import MAX_CRF, MIN_CRF, PREDICTED_CRF_STEP
from imfcodec.codec.restraint import restraint_of


@pytest.mark.parametrize(
    ("crf", "restraint"), [(1, 3), (13, 3), (14, 2), (27, 2), (28, 1), (37, 1), (38, 0), (63, 0)]
)
def test_finer_key_frames_are_restored_less(crf: int, restraint: int) -> None:
    assert restraint_of(crf, predicted=False) == restraint


def test_predicted_key_frames_are_as_coarse_as_they_are_coded() -> None:
    for crf in range(MIN_CRF, MAX_CRF + 1):
        own = min(crf + PREDICTED_CRF_STEP, MAX_CRF)
        assert restraint_of(crf, predicted=True) == restraint_of(own, predicted=False)
