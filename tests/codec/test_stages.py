"""Time per stage."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from imfcodec.codec.stages import StageTimes


def test_threads_in_the_same_stage_count_once() -> None:
    stages = StageTimes()

    def work(n: int) -> None:
        with stages.timed("network"):
            time.sleep(0.1)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(work, range(4)))
    assert stages.milliseconds["network"] == pytest.approx(100, abs=80)
    with stages.timed("network"):
        time.sleep(0.1)
    assert stages.milliseconds["network"] == pytest.approx(200, abs=150)


def test_a_stage_that_fails_counts() -> None:
    stages = StageTimes()
    with pytest.raises(ZeroDivisionError), stages.timed("read"):
        1 // 0  # noqa: B018
    assert stages.milliseconds["read"] >= 0
