"""The ladder of qualities."""

from __future__ import annotations

from itertools import pairwise

import pytest

from imfcodec.quality import LADDER, MAX_QUALITY, point_of


@pytest.mark.parametrize("quality", LADDER)
def test_the_ladder_goes_through_its_points(quality: int) -> None:
    assert point_of(quality) == LADDER[quality]


def test_more_quality_is_more_of_everything() -> None:
    points = [point_of(quality / 4) for quality in range(4 * MAX_QUALITY + 1)]
    for low, high in pairwise(points):
        assert high.key_crf < low.key_crf
        assert high.quantiser <= low.quantiser
        assert high.keyframe_interval_s < low.keyframe_interval_s
