"""Frames of a live source, and of a pipe that a file goes through."""

from __future__ import annotations

import time
from collections.abc import Iterator
from fractions import Fraction
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from imfcodec.errors import InputUnreadable
from imfcodec.media import AudioPacketOut, PictureFrame
from imfcodec.sender import live_source
from imfcodec.sender.live_source import Event, LiveSource

TICK_S = Fraction(1, 100)


class Reader:
    """Gives one frame each tick, or as fast as they are taken, with sound between them."""

    def __init__(self, frames: int, *, paced: bool, error: Exception | None = None) -> None:
        self.info = SimpleNamespace(time_base=TICK_S)
        self.closed = False
        self._frames, self._paced, self._error = frames, paced, error

    def __enter__(self) -> Reader:
        return self

    def __exit__(self, *raised: object) -> None:
        self.closed = True

    def events(self) -> Iterator[Event]:
        begun = time.monotonic()
        for pts in range(self._frames):
            if self._paced:
                time.sleep(max(0.0, begun + pts * float(TICK_S) - time.monotonic()))
            yield PictureFrame(pts, np.zeros((8, 8, 3), np.uint8))
            yield AudioPacketOut(pts, b"sound", 1)
        if self._error:
            raise self._error


def source_of(reader: Any) -> LiveSource:
    return LiveSource(reader)


def taken(source: LiveSource, frame_s: float) -> tuple[list[int], list[int], list[float]]:
    """Frames and sound that a sender gets that takes so long for each frame, and frames' times."""
    pictures, sounds, times = [], [], []
    for event in source:
        if isinstance(event, PictureFrame):
            pictures.append(event.pts)
            times.append(time.monotonic())
            time.sleep(frame_s)
        else:
            sounds.append(event.pts)
    return pictures, sounds, times


def test_a_slow_sender_gets_the_newest_frames_of_a_live_source(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(live_source, "LATE_S", 0.05)
    source = source_of(Reader(100, paced=True))
    pictures, sounds, times = taken(source, 0.04)
    assert pictures[0] == 0
    assert pictures == sorted(pictures)
    assert sounds == list(range(100))
    assert source.dropped == 100 - len(pictures) > 40
    # Its delay does not grow: it keeps pace with the clock of the frames.
    assert times[-1] - times[0] < 2 * 99 * float(TICK_S)


def test_a_fast_sender_gets_every_frame_of_a_live_source() -> None:
    source = source_of(Reader(40, paced=True))
    assert taken(source, 0.0)[0] == list(range(40))
    assert source.dropped == 0


def test_nothing_is_dropped_of_a_file_in_a_pipe(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live_source, "LATE_S", 0.01)
    monkeypatch.setattr(live_source, "WAITING_BYTES", 1000)  # the reader has to wait
    source = source_of(Reader(60, paced=False))
    assert taken(source, 0.02)[0] == list(range(60))
    assert source.dropped == 0


def test_an_error_comes_after_the_frames_before_it() -> None:
    reader = Reader(3, paced=False, error=InputUnreadable("gone"))
    events = iter(source_of(reader))
    seen = [next(events) for _ in range(6)]
    assert [e.pts for e in seen if isinstance(e, PictureFrame)] == [0, 1, 2]
    with pytest.raises(InputUnreadable, match="gone"):
        next(events)
    assert reader.closed


def test_the_reader_is_closed_when_the_sender_stops(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live_source, "WAITING_BYTES", 1000)
    reader = Reader(1000, paced=False)
    source = source_of(reader)
    next(iter(source))
    source.stop()
    deadline = time.monotonic() + 5
    while not reader.closed and time.monotonic() < deadline:
        time.sleep(0.01)
    assert reader.closed
