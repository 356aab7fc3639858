"""The key frames of several intervals, planned together."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from imfcodec.sender.planning.key_schedule import KeySchedule
from imfcodec.sender.planning.planner import Watch, is_large
from imfcodec.sender.segment import KeyKind, Lead, Segment
from imfcodec.sender.source_frame import SourceFrame


class PlannedPlanner:
    """Lets frames wait for the plan of their shot.

    A shot opens without a key frame: its plan chooses the first one as well.
    """

    def __init__(
        self,
        watch: Watch,
        schedule: KeySchedule,
        advance: Callable[[float], None] = lambda frames: None,
    ) -> None:
        """Set up.

        Args:
            watch: Looks at the frames.
            schedule: Chooses the key frames.
            advance: Called with for how many more frames the key frames are planned.
        """
        self._watch = watch
        self._schedule = schedule
        self._advance = advance
        self._pending: list[SourceFrame] = []
        self._known: list[SourceFrame] = []  # the base, and the last key frame if that is another

    def push(self, frame: SourceFrame) -> Iterator[Segment]:
        """Take the next frame; yield the segments that it completes."""
        return self._segments(self._watch.push(frame))

    def flush(self) -> Iterator[Segment]:
        """Yield the segments of all frames that are left."""
        yield from self._segments(self._watch.flush())
        yield from self._all()

    def took(self, frame: SourceFrame, kind: KeyKind) -> None:
        """Note a key frame as it was coded."""
        self._watch.policy.take(frame.pts, kind)
        independent = kind is KeyKind.INDEPENDENT or not self._known
        self._known = [frame] if independent else [self._known[0], frame]

    def _segments(
        self, decided: Iterable[tuple[SourceFrame, bool, KeyKind | None]]
    ) -> Iterator[Segment]:
        for frame, _, kind in decided:
            if kind:  # a cut, or the first frame
                yield from self._all()
                self._open(frame, kind)
            else:
                waited = frame.pts - self._pending[0].pts if self._pending else 0
                if self._pending and (is_large(self._pending) or waited >= self._schedule.ticks):
                    yield from self._plan()
                self._pending.append(frame)

    def _open(self, frame: SourceFrame, kind: KeyKind) -> None:
        self._schedule.begin(frame.pts)
        self._watch.policy.take(frame.pts, kind)  # provisional, until the plan chooses
        self._known, self._pending = [], [frame]

    def _plan(self) -> Iterator[Segment]:
        """The waiting frames up to the last key frame that is planned; all if none is."""
        frames, begin = self._pending, 0
        chosen = self._schedule.choose(
            frames, self._known, lambda share: self._advance(share * len(frames))
        )
        for place in chosen:
            key, opens = frames[place], not self._known
            kind = KeyKind.INDEPENDENT if opens else self._watch.policy.kind(key.pts)
            yield Segment(frames[begin:place], key, kind, Lead.ALL if opens else Lead.LATER)
            begin = place + 1
        self._pending = frames[begin:]
        if not chosen:
            yield from self._rest()

    def _all(self) -> Iterator[Segment]:
        if self._pending:
            yield from self._plan()
        yield from self._rest()

    def _rest(self) -> Iterator[Segment]:
        frames, self._pending = self._pending, []
        if frames:
            yield Segment(frames)
