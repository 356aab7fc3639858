"""What a planner is."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from typing import Protocol

from imfcodec.sender.planning.keyframe_policy import KeyframePolicy
from imfcodec.sender.planning.shots import ShotDetector
from imfcodec.sender.segment import KeyKind, Segment
from imfcodec.sender.source_frame import SourceFrame

PENDING_BYTES = 96 << 20
"""Frames that wait for the next key frame or for a plan have at most this size ..."""

PENDING_FRAMES = 1000
"""... and are no more than these."""


class Planner(Protocol):
    """Turns frames into segments.

    Whoever takes a segment with a key frame tells `took` before the next one: the segments are
    made as they are asked for.
    """

    def push(self, frame: SourceFrame) -> Iterator[Segment]:
        """Take the next frame; yield the segments that it completes."""
        ...

    def flush(self) -> Iterator[Segment]:
        """Yield the segments of all frames that are left."""
        ...

    def took(self, frame: SourceFrame, kind: KeyKind) -> None:
        """Note a key frame as it was coded, perhaps of the other kind."""
        ...


class Watch:
    """Looks at frames in order: which begin a shot, and at which a key frame is due."""

    def __init__(
        self, policy: KeyframePolicy, time_base: Fraction, *, scene_cut: bool, hasty: bool
    ) -> None:
        """Take the policy that decides, and whether cuts count and no frame may wait."""
        self.policy = policy
        self._shots = ShotDetector(time_base, hasty=hasty) if scene_cut else None

    def push(self, frame: SourceFrame) -> Iterator[tuple[SourceFrame, bool, KeyKind | None]]:
        """Take the next frame; yield frames with whether they begin a shot, and the key kind."""
        for known, cut in self._shots.push(frame) if self._shots else [(frame, False)]:
            yield known, cut, self.policy.decide(known.pts, known.picture, cut=cut)

    def flush(self) -> Iterator[tuple[SourceFrame, bool, KeyKind | None]]:
        """Yield the frames that are left."""
        for known, cut in self._shots.flush() if self._shots else ():
            yield known, cut, self.policy.decide(known.pts, known.picture, cut=cut)


def is_large(pending: list[SourceFrame]) -> bool:
    """Whether waiting frames have to be coded, for the sake of memory."""
    count = len(pending)
    return count >= PENDING_FRAMES or count * pending[0].picture.nbytes >= PENDING_BYTES
