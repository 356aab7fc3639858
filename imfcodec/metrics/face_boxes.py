"""The eyes and the mouth of a talking head, located in every frame.

    source frames ─ YuNet ─ one face followed ─ gaps filled ─► landmarks ─► boxes of one size

A box moves with the face in whole pixels and keeps its size throughout a clip, so that the crops
of all frames form one batch. It is found on the source and used on both videos.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from imfcodec.arrays import Picture
from imfcodec.media.faces import EYES_SIZE, MOUTH_SIZE, Face, FaceFinder, face_unit
from imfcodec.metrics.motion import Region

LEAST_SEEN: Final = 0.5
"""Share of the frames in which a face must be found, so that filled gaps are the exception."""

MIN_BOX: Final = 32
"""Shortest side of a box in pixels, the least for LPIPS."""

_SAME_FACE_OVERLAP: Final = 0.3
"""Least intersection over union with the face of the previous frame."""


@dataclass(frozen=True)
class FaceTrack:
    """The face of a clip.

    Attributes:
        landmarks: float64 [T, 5, 2], of every frame.
        width, height: Of the pictures, pixels.
        unit: Size of the face, pixels: the median over frames of `face_unit`.
    """

    landmarks: npt.NDArray[np.float64]
    width: int
    height: int
    unit: float

    def eyes(self, frame: int) -> Region:
        """Rows and columns of both eyes with their brows."""
        return self._region(self.landmarks[frame, :2].mean(0), EYES_SIZE)

    def mouth(self, frame: int) -> Region:
        """Rows and columns of the mouth with the lips' surroundings."""
        return self._region(self.landmarks[frame, 3:].mean(0), MOUTH_SIZE)

    def _region(self, middle: npt.NDArray[np.float64], size: tuple[float, float]) -> Region:
        columns, rows = (
            _slice(float(position), factor * self.unit, limit)
            for position, factor, limit in zip(middle, size, (self.width, self.height), strict=True)
        )
        return rows, columns


def follow_face(pictures: Iterable[Picture], finder: FaceFinder) -> FaceTrack | None:
    """Follow the face of a clip, the largest one in the first frame with a face.

    Frames without it get interpolated landmarks, or the nearest ones at the ends.

    Args:
        pictures: uint8 RGB [H, W, 3], all frames in order.
        finder: The detector.

    Returns:
        The track; None if there is no face in at least half of the frames.
    """
    seen: dict[int, Face] = {}
    last: Face | None = None
    count, shape = 0, (0, 0)
    for frame, picture in enumerate(pictures):
        face = _same_face(finder.find(picture), last)
        if face is not None:
            seen[frame] = last = face
        count, shape = frame + 1, picture.shape[:2]
    if not seen or len(seen) < LEAST_SEEN * count:
        return None
    landmarks = _fill(seen, count)
    return FaceTrack(landmarks, shape[1], shape[0], _unit(list(seen.values())))


def _same_face(faces: Sequence[Face], last: Face | None) -> Face | None:
    """The face that was seen last, among these; None if it is not among them."""
    if last is None:
        return max(faces, key=lambda face: face.area, default=None)
    best = max(faces, key=last.overlap, default=None)
    # A face may move far behind a hand; if there is only one face, it is taken to be the same.
    if best is None or (len(faces) > 1 and best.overlap(last) < _SAME_FACE_OVERLAP):
        return None
    return best


def _fill(seen: dict[int, Face], count: int) -> npt.NDArray[np.float64]:
    frames = list(seen)
    known = np.stack([face.landmarks for face in seen.values()]).reshape(len(frames), 10)
    columns = [np.interp(np.arange(count), frames, known[:, i]) for i in range(10)]
    return np.stack(columns, axis=1).reshape(count, 5, 2)


def _unit(faces: Sequence[Face]) -> float:
    return float(np.median([face_unit(face.landmarks) for face in faces]))


def _slice(middle: float, length: float, limit: int) -> slice:
    """An interval of constant length around a centre, moved inside the picture."""
    pixels = min(limit, max(MIN_BOX, math.ceil(length)))
    start = min(max(0, round(middle - pixels / 2)), limit - pixels)
    return slice(start, start + pixels)
