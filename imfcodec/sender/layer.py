"""One layer of the sender: frames of one size to packets."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from imfcodec.codec.stages import StageTimes
from imfcodec.sender.planning.planner import Planner
from imfcodec.sender.rate import SegmentSettings
from imfcodec.sender.segment import Segment
from imfcodec.sender.segment_coder import PicturePacket, SegmentCoder
from imfcodec.sender.source_frame import SourceFrame


class Layer:
    """Plans segments and codes them.

    frames ─ planner ─ segments ─ segment coder ─ packets

    """

    def __init__(
        self,
        planner: Planner,
        coder: SegmentCoder,
        rate: Callable[[Segment], SegmentSettings],
        stages: StageTimes,
    ) -> None:
        """Take the parts that do the work.

        Args:
            planner: Makes segments.
            coder: Makes packets.
            rate: The settings of the next segment.
            stages: Takes the time of each stage.
        """
        self._planner, self._coder = planner, coder
        self._rate, self._stages = rate, stages

    @property
    def key_config(self) -> bytes:
        """The key codec's configuration; known after the first packet."""
        return self._coder.key_config

    def push(self, frame: SourceFrame) -> Iterator[PicturePacket]:
        """Take the next frame; yield the packets that it completes."""
        return self._packets(self._planner.push(frame))

    def flush(self) -> Iterator[PicturePacket]:
        """Yield the packets of the frames that are left."""
        return self._packets(self._planner.flush())

    def _packets(self, segments: Iterator[Segment]) -> Iterator[PicturePacket]:
        """Packets of segments, which the planner makes as they are asked for."""
        while True:
            with self._stages.timed("policy"):
                segment = next(segments, None)
            if segment is None:
                return
            yield from self._coder.code(segment, self._rate(segment))
            if segment.key is not None:
                self._planner.took(segment.key, self._coder.kind)
