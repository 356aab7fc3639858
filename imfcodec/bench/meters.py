"""Meters: each collects one metric of one clip, batch by batch."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from imfcodec.arrays import Pictures
from imfcodec.bench.results import Score
from imfcodec.metrics.face_boxes import FaceTrack
from imfcodec.metrics.identity import Recogniser
from imfcodec.metrics.motion import WHOLE, MotionError, Region
from imfcodec.metrics.vmaf import Vmaf
from imfcodec.metrics.worst import worst_mean
from imfcodec.metrics.xpsnr import Xpsnr

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


class Meter(NamedTuple):
    """``add`` takes all batches of a clip in order; ``score`` is then None where not defined."""

    add: Callable[[Batch], None]
    score: Callable[[], Score | None]


def frame_meter(measure: Measure, place: Place, *, higher_is_better: bool) -> Meter:
    """A metric of single pictures at a place."""
    values: list[float] = []
    return Meter(
        lambda batch: values.extend(measure(*batch.at(place))),
        lambda: _frame_score(values, higher_is_better=higher_is_better),
    )


def motion_meter(place: Place) -> Meter:
    """Motion error at a place; not defined where nothing moves."""
    error = MotionError()

    def add(batch: Batch) -> None:
        for frame, pair in enumerate(zip(batch.source, batch.coded, strict=True), batch.first):
            error.add(*pair, place(frame))

    def score() -> Score | None:
        value = error.value()
        return None if value is None else Score(value)

    return Meter(add, score)


def xpsnr_meter(xpsnr: Xpsnr) -> Meter:
    """XPSNR of the whole clip."""
    return Meter(_each_pair(xpsnr.add), lambda: Score(xpsnr.value_db()))


def vmaf_meter(vmaf: Vmaf) -> Meter:
    """VMAF of every frame, from a process that the caller ends."""
    return Meter(
        _each_pair(vmaf.add),
        lambda: _frame_score(vmaf.finish().tolist(), higher_is_better=True),
    )


def identity_meter(
    recogniser: Recogniser, track: FaceTrack, embeddings: npt.NDArray[np.float32]
) -> Meter:
    """Similarity of the face to that of the source.

    Args:
        recogniser: What makes embeddings.
        track: Landmarks of every source frame.
        embeddings: float32 [T, 128], of every source frame.
    """
    values: list[float] = []

    def add(batch: Batch) -> None:
        for frame, coded in enumerate(batch.coded, batch.first):
            embedding = recogniser.embed(coded, track.landmarks[frame])
            values.append(float(embeddings[frame] @ embedding))

    return Meter(add, lambda: _frame_score(values, higher_is_better=True))


def _each_pair(add: Callable[..., object]) -> Callable[[Batch], None]:
    def add_batch(batch: Batch) -> None:
        for source, coded in zip(batch.source, batch.coded, strict=True):
            add(source, coded)

    return add_batch


def _frame_score(values: list[float], *, higher_is_better: bool) -> Score:
    """Mean, and mean of the worst frames."""
    return Score(float(np.mean(values)), *worst_mean(values, higher_is_better=higher_is_better))
