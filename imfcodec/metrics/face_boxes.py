"""The faces of a clip, their eyes and their mouths, located in every frame.

    source frames ─ YuNet ─ each face followed ─ gaps filled ─► positions ─► boxes of one size

A box moves with the face in whole pixels and keeps its size throughout a clip, so that the crops
of all frames form one batch. It is found on the source and used on both videos.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from imfcodec.arrays import Picture
from imfcodec.media import resize
from imfcodec.media.faces import EYES_SIZE, MOUTH_SIZE, Face, FaceFinder, face_unit
from imfcodec.metrics.motion import Region

MAX_PEOPLE: Final = 4
"""Faces of a clip that are located, the largest first."""

LEAST_SIZE: Final = 0.4
"""Least size of a face relative to the largest; smaller ones are photographs and passers-by."""

LEAST_SEEN: Final = 0.5
"""Share of the frames in which a face must be found, so that filled gaps are the exception."""

FACE_SIZE: Final = 1.3
"""Side of the square around a face in heights of the detector's box: with hair line and chin."""

_FINDER_SIDE: Final = 512
"""Short side in pixels to which pictures are reduced for YuNet. Of faces higher than about 400
pixels it finds parts only."""

MIN_BOX: Final = 32
"""Shortest side in pixels of the boxes of eyes and mouth, the least for LPIPS."""

_SAME_FACE_OVERLAP: Final = 0.3
"""Least intersection over union with the face when it was last seen."""


@dataclass(frozen=True)
class FaceTrack:
    """The face of one person in a clip.

    Attributes:
        landmarks: float64 [T, 5, 2], of every frame.
        middles: float64 [T, 2], of the detector's box in every frame.
        width, height: Of the pictures, pixels.
        unit: Size of the face, pixels: the median over frames of `face_unit`.
        side: Of the square around the face, pixels: `FACE_SIZE` times the median height.
    """

    landmarks: npt.NDArray[np.float64]
    middles: npt.NDArray[np.float64]
    width: int
    height: int
    unit: float
    side: float

    def face(self, frame: int) -> Region:
        """Rows and columns of the whole face."""
        return self._region(self.middles[frame], (self.side, self.side))

    def eyes(self, frame: int) -> Region:
        """Rows and columns of both eyes with their brows."""
        return self._region(self.landmarks[frame, :2].mean(0), self._box(EYES_SIZE))

    def mouth(self, frame: int) -> Region:
        """Rows and columns of the mouth with the lips' surroundings."""
        return self._region(self.landmarks[frame, 3:].mean(0), self._box(MOUTH_SIZE))

    def _box(self, size: tuple[float, float]) -> Sequence[float]:
        return [max(MIN_BOX, factor * self.unit) for factor in size]

    def _region(self, middle: npt.NDArray[np.float64], size: Sequence[float]) -> Region:
        columns, rows = (
            _slice(float(position), length, limit)
            for position, length, limit in zip(middle, size, (self.width, self.height), strict=True)
        )
        return rows, columns


def follow_faces(
    pictures: Iterable[Picture], finder: FaceFinder, size: tuple[int, int]
) -> list[FaceTrack]:
    """Follow the faces of a clip, each of which is in at least half of the frames.

    Frames without a face get interpolated positions, or the nearest ones at the ends.

    Args:
        pictures: uint8 RGB [H, W, 3], all frames in order.
        finder: The detector.
        size: Width and height in pixels of the pictures in which the faces will be looked up.

    Returns:
        At most `MAX_PEOPLE` tracks, the largest first, none below `LEAST_SIZE` of that.
    """
    people: list[dict[int, Face]] = []
    count, scale = 0, np.ones(2)
    for frame, picture in enumerate(pictures):
        height, width = picture.shape[:2]
        shrink = min(1.0, _FINDER_SIDE / min(height, width))
        small = resize(picture, (round(width * shrink), round(height * shrink)))
        faces = sorted(finder.find(small), key=lambda face: face.area, reverse=True)
        for face in faces:
            person = _same_person(face, [seen for seen in people if frame not in seen])
            if person is None and people and len(faces) == 1:
                person = people[0]  # A face may move far behind a hand: the only one is the same.
            if person is None:
                people.append(person := {})
            person[frame] = face
        count, scale = frame + 1, np.divide(size, small.shape[1::-1])
    tracks = [
        _track(seen, count, size, scale) for seen in people if len(seen) >= LEAST_SEEN * count
    ]
    tracks.sort(key=lambda track: track.side, reverse=True)
    return [t for t in tracks[:MAX_PEOPLE] if t.side >= LEAST_SIZE * tracks[0].side]


def _same_person(face: Face, people: Sequence[dict[int, Face]]) -> dict[int, Face] | None:
    """The one among these whose face was last seen where this face is."""
    overlaps = [next(reversed(seen.values())).overlap(face) for seen in people]
    best = max(overlaps, default=0.0)
    return people[overlaps.index(best)] if best >= _SAME_FACE_OVERLAP else None


def _track(
    seen: Mapping[int, Face], count: int, size: tuple[int, int], scale: npt.NDArray[np.float64]
) -> FaceTrack:
    # Five landmarks, then two corners of the box.
    points = [
        np.concatenate([face.landmarks, np.reshape(face.box, (2, 2))]) for face in seen.values()
    ]
    known = np.stack(points) * scale
    unit = np.median([face_unit(landmarks) for landmarks in known[:, :5]])
    side = FACE_SIZE * np.median(known[:, 6, 1] - known[:, 5, 1])
    filled = np.apply_along_axis(
        lambda values: np.interp(np.arange(count), list(seen), values), 0, known
    )
    return FaceTrack(filled[:, :5], filled[:, 5:].mean(1), *size, float(unit), float(side))


def _slice(middle: float, length: float, limit: int) -> slice:
    """An interval of constant length around a centre, moved inside the picture."""
    pixels = min(limit, math.ceil(length))
    start = min(max(0, round(middle - pixels / 2)), limit - pixels)
    return slice(start, start + pixels)
