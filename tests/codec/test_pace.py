"""When a source counts as live."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from imfcodec.codec.pace import LOOKED_AT, Pace

FRAME_S = 0.04


def is_live(arrivals_s: npt.ArrayLike) -> bool:
    """Whether frames of 25 a second that arrive at these times seem live."""
    pace = Pace()
    for number, arrival_s in enumerate(np.asarray(arrivals_s)):
        pace.see(float(arrival_s), FRAME_S * number)
    return pace.live


def test_frames_that_come_as_they_are_shown_are_live() -> None:
    shown = FRAME_S * np.arange(LOOKED_AT)
    assert not is_live(shown[:-1])
    assert is_live(shown)
    assert is_live(shown + np.random.default_rng(1).uniform(0, 0.01, LOOKED_AT))


def test_frames_that_come_faster_are_not() -> None:
    assert not is_live(0.8 * FRAME_S * np.arange(200))


def test_a_moment_without_a_frame_is_no_pace() -> None:
    """A file in a pipe, whose reader did not get the processor for ten seconds."""
    quick = 0.001 * np.arange(40)
    assert not is_live(np.where(np.arange(40) < 20, quick, quick + 10))


def test_a_live_source_that_stalls_is_live_once_it_goes_on() -> None:
    shown = FRAME_S * np.arange(20 + LOOKED_AT)
    arrivals = np.where(shown < shown[10], shown, np.maximum(shown, shown[15]))
    assert not is_live(arrivals[:20])
    assert is_live(arrivals)
