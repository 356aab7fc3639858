"""Each frame is a segment at once."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from imfcodec.sender.planning.planner import Watch
from imfcodec.sender.segment import KeyKind, Segment
from imfcodec.sender.source_frame import SourceFrame


class LivePlanner:
    """Never lets a frame wait."""

    def __init__(self, watch: Watch) -> None:
        """Take what looks at the frames, hasty."""
        self._watch = watch

    def push(self, frame: SourceFrame) -> Iterator[Segment]:
        """Take the next frame; yield its segment."""
        return self._segments(self._watch.push(frame))

    def flush(self) -> Iterator[Segment]:
        """Yield nothing: no frame waits."""
        return self._segments(self._watch.flush())

    def took(self, frame: SourceFrame, kind: KeyKind) -> None:
        """Note a key frame as it was coded."""
        self._watch.policy.take(frame.pts, kind)

    def _segments(
        self, decided: Iterable[tuple[SourceFrame, bool, KeyKind | None]]
    ) -> Iterator[Segment]:
        for frame, _, kind in decided:
            yield Segment((), frame, kind) if kind else Segment((frame,))
