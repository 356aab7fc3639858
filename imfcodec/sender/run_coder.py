"""The base as plain video: frames to runs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final

from imfcodec.bitstream import RunPacket
from imfcodec.codec.stages import StageTimes
from imfcodec.sender.judge import Judge
from imfcodec.sender.plain_video import PlainVideo
from imfcodec.sender.rate import SegmentSettings
from imfcodec.sender.runs import RunSettings, is_full
from imfcodec.sender.segment import Segment
from imfcodec.sender.source_frame import SourceFrame

COARSER: Final = 32
"""Added to the CRF of key pictures: a run keeps refining what stands still."""

ROOM: Final = 1.02
"""Other ways to hold pictures may take so many times the bytes."""


class RunCoder:
    """Collects the frames of the base and codes them run by run."""

    def __init__(
        self,
        settings: RunSettings,
        rate: Callable[[Segment], SegmentSettings],
        judge: Judge,
        stages: StageTimes,
        advance: Callable[[float], None] = lambda frames: None,
        *,
        carefully: bool = True,
    ) -> None:
        """Set up.

        Args:
            settings: How runs are coded.
            rate: The settings of the next segment.
            judge: Finds out how long pictures should be held.
            stages: Takes the time of each stage.
            advance: As for `PlainVideo`.
            carefully: Otherwise the runs are about as large, and made sooner.
        """
        self._settings, self._rate, self._judge = settings, rate, judge
        self._stages, self._advance, self._carefully = stages, advance, carefully
        self._frames: list[SourceFrame] = []
        self._windows = False

    def push(self, frame: SourceFrame, *, cut: bool, windows: bool) -> Iterator[RunPacket]:
        """Take the next frame; yield the packets of a whole run.

        Args:
            frame: At coded size.
            cut: Whether it begins a shot.
            windows: Whether windows cover parts of it. The receiver then has no time to restore
                each picture.
        """
        if cut or is_full(self._frames, frame, self._settings.time_base):
            yield from self.flush()
        self._frames.append(frame)
        self._windows |= windows

    def flush(self) -> Iterator[RunPacket]:
        """Yield the packets of the frames that are left."""
        frames, self._frames = self._frames, []
        restores, self._windows = not self._windows, False
        if not frames:
            return
        crf = self._rate(Segment(frames)).key_crf + COARSER
        with self._stages.timed("AV1 run"):
            video = PlainVideo(
                frames, self._settings, self._judge, self._advance, restores=restores
            )
            room_bytes = round(ROOM * video.size_bytes(crf))
            if self._carefully:
                packets = video.careful(video.best(room_bytes) or video.smallest())
            else:
                packets = (video.first(room_bytes) or video.smallest()).packets
        yield from packets
