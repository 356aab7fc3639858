from __future__ import annotations

import pytest

from imfcodec.codec.pictures.av1 import MAX_CRF, MIN_CRF, PREDICTED_CRF_STEP
from imfcodec.codec.restoration_strength import restoration_field


@pytest.mark.parametrize(
    ("crf", "restoration"), [(1, 3), (13, 3), (14, 2), (27, 2), (28, 1), (37, 1), (38, 0), (63, 0)]
)
def test_finer_key_frames_are_restored_less(crf: int, restoration: int) -> None:
    assert restoration_field(crf, predicted=False) == restoration


def test_predicted_key_frames_are_as_coarse_as_they_are_coded() -> None:
    for crf in range(MIN_CRF, MAX_CRF + 1):
        own = min(crf + PREDICTED_CRF_STEP, MAX_CRF)
        assert restoration_field(crf, predicted=True) == restoration_field(own, predicted=False)
