"""Time per stage."""

from __future__ import annotations

import pytest

from imfcodec.codec import stages
from imfcodec.codec.stages import StageTimes


def test_threads_in_the_same_stage_count_once(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 0.0
    monkeypatch.setattr(stages.time, "perf_counter", lambda: now)
    times = StageTimes()
    first, second = times.timed("network"), times.timed("network")
    first.__enter__()
    now = 0.1
    second.__enter__()
    now = 0.3
    first.__exit__(None, None, None)
    assert "network" not in times.milliseconds, "one of the two is still in the stage"
    now = 0.4
    second.__exit__(None, None, None)
    assert times.milliseconds["network"] == pytest.approx(400)
    now = 7.0
    with times.timed("network"):
        now = 7.1
    assert times.milliseconds["network"] == pytest.approx(500)


def test_a_stage_that_fails_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter((1.0, 1.2))
    monkeypatch.setattr(stages.time, "perf_counter", lambda: next(clock))
    times = StageTimes()
    with pytest.raises(ZeroDivisionError), times.timed("read"):
        1 // 0  # noqa: B018
    assert times.milliseconds["read"] == pytest.approx(200)
