"""The best key frame of each interval, one interval at a time."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Iterator
from fractions import Fraction

import numpy as np

from imfcodec.sender.planning.key_choice import best_key, cells_of
from imfcodec.sender.planning.planner import Watch, is_large
from imfcodec.sender.segment import KeyKind, Lead, Segment
from imfcodec.sender.source_frame import SourceFrame

EARLIEST = 0.5
"""Share of the interval before which no frame becomes the next key frame."""


class GreedyPlanner:
    """Lets frames wait for the next key frame, or for a packet's length."""

    def __init__(
        self, watch: Watch, longest_ticks: Fraction | None, *, lead: Lead, chooses: bool
    ) -> None:
        """Set up.

        Args:
            watch: Looks at the frames.
            longest_ticks: Longest time for which frames wait, in ticks; None waits for the next
                key frame.
            lead: Which of the frames before a key frame it may lead.
            chooses: Whether the best of the waiting frames becomes the key frame, or the last one.
        """
        self._watch = watch
        self._longest = longest_ticks
        self._lead = lead
        self._chooses = chooses
        self._pending: list[SourceFrame] = []
        self._last: SourceFrame | None = None  # key frame

    def push(self, frame: SourceFrame) -> Iterator[Segment]:
        """Take the next frame; yield the segments that it completes."""
        return self._segments(self._watch.push(frame))

    def flush(self) -> Iterator[Segment]:
        """Yield the segments of all frames that are left."""
        yield from self._segments(self._watch.flush())
        yield from self._rest()

    def took(self, frame: SourceFrame, kind: KeyKind) -> None:
        """Note a key frame as it was coded."""
        self._last = frame
        self._watch.policy.take(frame.pts, kind)

    def _segments(
        self, decided: Iterable[tuple[SourceFrame, bool, KeyKind | None]]
    ) -> Iterator[Segment]:
        for frame, cut, kind in decided:
            if kind and (cut or self._last is None):
                yield from self._rest()
                yield Segment((), frame, kind)
                continue
            if not kind and self._pending and self._is_full(frame):
                yield from self._rest()
            self._pending.append(frame)
            if kind:
                chooses = self._chooses and self._watch.policy.due
                place = self._best() if chooses else len(self._pending) - 1
                frames, self._pending = self._pending, self._pending[place + 1 :]
                yield Segment(frames[:place], frames[place], kind, self._lead)

    def _is_full(self, frame: SourceFrame) -> bool:
        waiting = frame.pts - self._pending[0].pts
        return is_large(self._pending) or (self._longest is not None and waiting >= self._longest)

    def _best(self) -> int:
        """The waiting frame that is the best key frame for itself and those after it."""
        assert self._last is not None  # since the first frame
        frames, last = self._pending, self._last
        cells = np.stack([cells_of(frame.picture) for frame in frames])
        earliest = last.pts + EARLIEST * (frames[-1].pts - last.pts)
        first = min(bisect_left(frames, earliest, key=lambda f: f.pts), len(frames) - 1)
        return best_key(cells_of(last.picture), cells, first)

    def _rest(self) -> Iterator[Segment]:
        frames, self._pending = self._pending, []
        if frames:
            yield Segment(frames)
