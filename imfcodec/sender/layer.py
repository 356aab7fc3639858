"""One layer of the sender: frames of one size to packets."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator

from imfcodec.codec.stages import StageTimes
from imfcodec.sender.key_coder import KeyCoder
from imfcodec.sender.key_sizer import KeySizer
from imfcodec.sender.planning.planner import Planner
from imfcodec.sender.rate import SegmentSettings
from imfcodec.sender.segment import Segment
from imfcodec.sender.segment_coder import PicturePacket, SegmentCoder
from imfcodec.sender.source_frame import SourceFrame


class Layer:
    """Plans segments and codes them.

        frames ─ planner ─ segments ─┬─ key coder ─ key pictures
                                     └─ segment coder ─ packets

    Other threads code the key pictures and analyse the segments. A segment is planned once the key
    picture before it is coded, while others are still analysed.
    """

    def __init__(
        self,
        planner: Planner,
        keys: KeyCoder,
        coder: SegmentCoder | KeySizer,
        rate: Callable[[Segment], SegmentSettings],
        stages: StageTimes,
        *,
        ahead: int,
    ) -> None:
        """Take the parts that do the work.

        Args:
            planner: Makes segments.
            keys: Codes their key pictures.
            coder: Makes packets; asks ``keys`` for the pictures.
            rate: The settings of the next segment.
            stages: Takes the time of each stage.
            ahead: Segments that are begun before the packets of one are waited for.
        """
        self._planner, self._keys, self._coder = planner, keys, coder
        self._rate, self._stages, self._ahead = rate, stages, ahead
        self._begun: deque[Iterator[PicturePacket]] = deque()

    @property
    def key_config(self) -> bytes:
        """The key codec's configuration; known after the first packet."""
        return self._coder.key_config

    def push(self, frame: SourceFrame) -> Iterator[PicturePacket]:
        """Take the next frame; yield the packets that it completes."""
        return self._packets(self._planner.push(frame))

    def flush(self) -> Iterator[PicturePacket]:
        """Yield the packets of the frames that are left."""
        yield from self._packets(self._planner.flush())
        while self._begun:
            yield from self._begun.popleft()

    def _packets(self, segments: Iterator[Segment]) -> Iterator[PicturePacket]:
        """Packets of segments, which the planner makes as they are asked for."""
        while True:
            with self._stages.timed("policy"):
                segment = next(segments, None)
            if segment is None:
                return
            settings = self._rate(segment)
            key = segment.key and self._keys.begin(segment.key, segment.kind, settings.key_crf)
            self._begun.append(self._coder.code(segment, settings))
            if segment.key and key:
                with self._stages.timed("key frame"):
                    self._planner.took(segment.key, key.result().kind)
            while len(self._begun) > self._ahead:
                yield from self._begun.popleft()
