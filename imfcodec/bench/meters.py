"""Meters: each collects one metric of one clip, batch by batch."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from imfcodec.bench.results import Score
from imfcodec.metrics.face_boxes import FaceTrack
from imfcodec.metrics.identity import Recogniser
from imfcodec.metrics.motion import WHOLE, MotionError, Region
from imfcodec.metrics.vmaf import Vmaf
from imfcodec.metrics.worst import worst_mean
from imfcodec.metrics.xpsnr import Xpsnr

Pictures = npt.NDArray[np.uint8]
"""uint8 RGB [N, H, W, 3]."""

Measure = Callable[[Pictures, Pictures], list[float]]
"""A value for each pair of a source and a coded picture."""

Place = Callable[[int], Region]
"""Where to look in the frame of a number; regions of one clip are of one size."""


def everywhere(frame: int) -> Region:
    """The place that is the whole picture."""
    return WHOLE


@dataclass(frozen=True)
class Batch:
    """Frames of a source and of its decoded twin.

    Attributes:
        first: Number of the first of them.
        source, coded: uint8 RGB [N, H, W, 3].
    """

    first: int
    source: Pictures
    coded: Pictures

    def at(self, place: Place) -> tuple[Pictures, Pictures]:
        """Both, cut to a place."""
        if place is everywhere:
            return self.source, self.coded
        regions = [place(self.first + n) for n in range(len(self.source))]
        source, coded = (
            np.stack([picture[region] for picture, region in zip(batch, regions, strict=True)])
            for batch in (self.source, self.coded)
        )
        return source, coded


class Meter(Protocol):
    """Takes all batches of a clip in order, then gives its score."""

    def add(self, batch: Batch) -> None:
        """Take the next frames."""
        ...

    def score(self) -> Score | None:
        """The score of all frames; None where it is not defined."""
        ...


class FrameMeter:
    """A metric of single pictures."""

    def __init__(self, measure: Measure, place: Place, *, higher_is_better: bool) -> None:
        self._measure = measure
        self._place = place
        self._higher_is_better = higher_is_better
        self._values: list[float] = []

    def add(self, batch: Batch) -> None:
        """Measure each pair."""
        self._values += self._measure(*batch.at(self._place))

    def score(self) -> Score:
        """Mean, and mean of the worst frames."""
        return frame_score(self._values, higher_is_better=self._higher_is_better)


class MotionMeter:
    """Motion error at a place."""

    def __init__(self, place: Place) -> None:
        self._place = place
        self._error = MotionError()

    def add(self, batch: Batch) -> None:
        """Follow the motion."""
        for n, pair in enumerate(zip(batch.source, batch.coded, strict=True)):
            self._error.add(*pair, self._place(batch.first + n))

    def score(self) -> Score | None:
        """Of the clip; None where nothing moves."""
        value = self._error.value()
        return None if value is None else Score(value)


class XpsnrMeter:
    """XPSNR of a clip."""

    def __init__(self, xpsnr: Xpsnr) -> None:
        self._xpsnr = xpsnr

    def add(self, batch: Batch) -> None:
        """Feed the filter."""
        for pair in zip(batch.source, batch.coded, strict=True):
            self._xpsnr.add(*pair)

    def score(self) -> Score:
        """Of the clip."""
        return Score(self._xpsnr.value_db())


class VmafMeter:
    """VMAF of a clip, from a process that the caller ends."""

    def __init__(self, vmaf: Vmaf) -> None:
        self._vmaf = vmaf

    def add(self, batch: Batch) -> None:
        """Feed the process."""
        for pair in zip(batch.source, batch.coded, strict=True):
            self._vmaf.add(*pair)

    def score(self) -> Score:
        """Mean and worst frames."""
        return frame_score(self._vmaf.finish().tolist(), higher_is_better=True)


class IdentityMeter:
    """Similarity of the face to that of the source."""

    def __init__(
        self, recogniser: Recogniser, track: FaceTrack, embeddings: npt.NDArray[np.float32]
    ) -> None:
        """Take what is known of the source.

        Args:
            recogniser: What makes embeddings.
            track: Landmarks of every source frame.
            embeddings: float32 [T, 128], of every source frame.
        """
        self._recogniser = recogniser
        self._track = track
        self._embeddings = embeddings
        self._values: list[float] = []

    def add(self, batch: Batch) -> None:
        """Embed the coded frames."""
        for frame, coded in enumerate(batch.coded, batch.first):
            embedding = self._recogniser.embed(coded, self._track.landmarks[frame])
            self._values.append(float(self._embeddings[frame] @ embedding))

    def score(self) -> Score:
        """Mean and worst cosine."""
        return frame_score(self._values, higher_is_better=True)


def frame_score(values: list[float], *, higher_is_better: bool) -> Score:
    """The score of a metric that every frame has.

    Args:
        values: One per frame, in order, at least one.
        higher_is_better: Direction of the metric.
    """
    return Score(float(np.mean(values)), *worst_mean(values, higher_is_better=higher_is_better))
