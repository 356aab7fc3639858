"""The key pictures of the next segments are coded while a segment is coded."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Future
from typing import Any

import numpy as np
import pytest

from imfcodec.codec.stages import StageTimes
from imfcodec.sender.layer import Layer
from imfcodec.sender.rate import SegmentSettings
from imfcodec.sender.segment import KeyKind, Segment
from imfcodec.sender.source_frame import SourceFrame


class Parts:
    """A planner of one segment a frame, a key coder and a segment coder; they note their calls."""

    def __init__(self) -> None:
        self.calls: list[str] = []

    def push(self, frame: SourceFrame) -> Iterator[Segment]:
        yield Segment((), frame) if frame.number != 2 else Segment((frame,))

    def flush(self) -> Iterator[Segment]:
        yield from ()

    def took(self, frame: SourceFrame, kind: KeyKind) -> None:
        self.calls.append(f"took {frame.number}")

    def begin(self, frame: SourceFrame, kind: KeyKind, crf: float) -> Future[Any]:
        self.calls.append(f"begin {frame.number} at {crf:g}")
        coming: Future[Any] = Future()
        coming.set_result(Segment((), frame, kind))
        return coming

    def code(self, segment: Segment, settings: SegmentSettings) -> Iterator[int]:
        number = (segment.key or segment.frames[0]).number
        self.calls.append(f"code {number}")
        yield number


@pytest.mark.parametrize(
    ("ahead", "calls"),
    [
        (1, "begin 0 at 30, took 0, begin 1 at 30, took 1, code 0, code 1, code 2"),
        (0, "begin 0 at 30, took 0, code 0, begin 1 at 30, took 1, code 1, code 2"),
    ],
)
def test_order(ahead: int, calls: str) -> None:
    parts: Any = Parts()
    settings = SegmentSettings(30)
    layer = Layer(parts, parts, parts, lambda _: settings, StageTimes(), ahead=ahead)
    picture = np.zeros((8, 8, 3), np.uint8)
    packets: list[Any] = []
    for number in range(3):
        packets += layer.push(SourceFrame(number, number, picture))
        assert packets == [0, 1, 2][: number + 1 - ahead]
    packets += layer.flush()
    assert packets == [0, 1, 2]
    assert ", ".join(parts.calls) == calls
