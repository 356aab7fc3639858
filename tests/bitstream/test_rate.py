from __future__ import annotations

import pytest

from imfcodec.bitstream.rate import rate_kbps


def test_audio_does_not_count() -> None:
    assert rate_kbps(5000, 0, 10) == 4
    assert rate_kbps(20_000, 15_000, 10) == 4
    assert rate_kbps(0, 0, 1) == 0


@pytest.mark.parametrize("duration_s", [0, -1, float("nan")])
def test_no_duration_has_no_rate(duration_s: float) -> None:
    with pytest.raises(ValueError, match="duration"):
        rate_kbps(1, 0, duration_s)


@pytest.mark.parametrize("audio_bytes", [-1, 101])
def test_the_audio_is_a_part_of_the_file(audio_bytes: int) -> None:
    with pytest.raises(ValueError, match="audio"):
        rate_kbps(100, audio_bytes, 1)
