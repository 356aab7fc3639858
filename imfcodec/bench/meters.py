"""Meters: each collects one metric of one clip, batch by batch."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from imfcodec.arrays import Picture, Pictures
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


def frame_meter(measure: Measure, places: Sequence[Place], *, higher_is_better: bool) -> Meter:
    """A metric of single pictures, the mean over places."""
    values: list[float] = []

    def add(batch: Batch) -> None:
        values.extend(np.mean([measure(*batch.at(place)) for place in places], axis=0))

    return Meter(add, lambda: _frame_score(values, higher_is_better=higher_is_better))


def motion_meter(places: Sequence[Place]) -> Meter:
    """Motion error, the mean over those places where something moves; not defined without one."""
    errors = [MotionError() for _ in places]

    def add(batch: Batch) -> None:
        for frame, pair in enumerate(zip(batch.source, batch.coded, strict=True), batch.first):
            for place, error in zip(places, errors, strict=True):
                error.add(*pair, place(frame))

    def score() -> Score | None:
        values = [value for error in errors if (value := error.value()) is not None]
        return Score(float(np.mean(values))) if values else None

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
    recogniser: Recogniser, tracks: Sequence[FaceTrack], embeddings: npt.NDArray[np.float32]
) -> Meter:
    """Similarity of faces to those of the source, the mean over people.

    Args:
        recogniser: What makes embeddings.
        tracks: Landmarks of every source frame, of each person.
        embeddings: float32 [T, P, 128], `embed_faces` of the source.
    """
    values: list[float] = []

    def add(batch: Batch) -> None:
        for frame, coded in enumerate(batch.coded, batch.first):
            found = embed_faces(recogniser, coded, tracks, frame)
            values.append(float(np.mean(np.sum(embeddings[frame] * found, axis=-1))))

    return Meter(add, lambda: _frame_score(values, higher_is_better=True))


def embed_faces(
    recogniser: Recogniser, picture: Picture, tracks: Sequence[FaceTrack], frame: int
) -> npt.NDArray[np.float32]:
    """Embeddings of all people in the frame of a number: float32 [P, 128]."""
    return np.stack([recogniser.embed(picture, track.landmarks[frame]) for track in tracks])


def _each_pair(add: Callable[..., object]) -> Callable[[Batch], None]:
    def add_batch(batch: Batch) -> None:
        for source, coded in zip(batch.source, batch.coded, strict=True):
            add(source, coded)

    return add_batch


def _frame_score(values: list[float], *, higher_is_better: bool) -> Score:
    """Mean, and mean of the worst frames."""
    return Score(float(np.mean(values)), *worst_mean(values, higher_is_better=higher_is_better))
