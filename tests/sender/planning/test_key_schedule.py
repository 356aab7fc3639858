"""How many key frames a scene gets, and which frames they are."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from imfcodec.sender.planning import key_schedule
from imfcodec.sender.planning.key_schedule import AHEAD, KeySchedule
from imfcodec.sender.source_frame import SourceFrame
from tests.conftest import moving_picture

INTERVAL = 10.0


def frames(begin: int, end: int) -> list[SourceFrame]:
    return [SourceFrame(n, n, moving_picture(n // 2)) for n in range(begin, end)]


def begun() -> KeySchedule:
    schedule = KeySchedule(INTERVAL)
    schedule.begin(0)
    return schedule


def test_one_in_each_interval_in_the_mean() -> None:
    schedule = begun()
    assert schedule.ticks == AHEAD * INTERVAL
    first = schedule.choose(frames(0, 40), [])
    assert len(first) == 4
    base, last = (frames(k, k + 1)[0] for k in (first[0], first[-1]))
    behind = frames(first[-1] + 1, 80)
    second = schedule.choose(behind, [base, last])
    assert len(second) == 4
    keys = [*first, *(first[-1] + 1 + k for k in second)]
    assert all(3 <= b - a <= 17 for a, b in pairwise(keys))
    assert schedule.choose(frames(80, 81), [base]) == []


@pytest.mark.parametrize(("length", "count"), [(1, 1), (10, 1), (11, 1), (12, 2), (21, 2)])
def test_as_many_as_intervals_have_begun(length: int, count: int) -> None:
    assert len(begun().choose(frames(0, length), [])) == count


def test_a_short_rest_gets_none() -> None:
    """Less than half an interval, though the next one has begun."""
    schedule = begun()
    [key] = schedule.choose(frames(0, 10), [])
    base = frames(key, key + 1)
    assert schedule.choose(frames(10, 14), base) == []


def test_a_pause_saves_nothing() -> None:
    """Key frames that a still picture did not need are not spent behind it."""
    schedule = begun()
    [key] = schedule.choose(frames(0, 9), [])
    base = frames(key, key + 1)
    assert len(schedule.choose(frames(500, 509), base)) <= 2
    assert len(schedule.choose(frames(509, 519), base)) <= 1


def test_a_fade_gets_more() -> None:
    """From black within two intervals, of four."""
    light = [min(n / 20, 1) for n in range(40)]
    faded = [(moving_picture(0) * share).astype(np.uint8) for share in light]
    keys = begun().choose([SourceFrame(n, n, picture) for n, picture in enumerate(faded)], [])
    assert len(keys) > 4
    assert len([key for key in keys if key < 20]) >= 4


def test_a_scene_begins_anew() -> None:
    schedule = begun()
    schedule.choose(frames(0, 40), [])
    schedule.begin(40)
    assert len(schedule.choose(frames(40, 45), [])) == 1


def test_a_blink_is_no_key_frame(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of many frames some are no samples, and a sample may be the blink."""
    monkeypatch.setattr(key_schedule, "SAMPLES", 12)
    still, blink = moving_picture(0), moving_picture(0)
    blink[20:28, 20:44] = 0
    count = 4 * 12
    for place in np.linspace(0, count - 1, 12).round().astype(int)[1:9]:
        shown = [SourceFrame(n, n, blink if n == place else still) for n in range(count)]
        schedule = KeySchedule(float(count))
        schedule.begin(0)
        [key] = schedule.choose(shown, [])
        assert key != place


def test_a_key_frame_lies_amid_what_it_serves() -> None:
    schedule = KeySchedule(20.0)
    schedule.begin(0)
    [key] = schedule.choose(frames(0, 20), [])
    assert 5 <= key <= 14
