"""The eyes and the mouth of a talking head, located in every frame.

    source frames ─ YuNet ─ one face followed ─ gaps filled ─► landmarks ─► boxes of one size

A box moves with the face in whole pixels and keeps its size throughout a clip, so that the crops
of all frames form one batch. It is found on the source and used on both videos.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

from imfcodec.errors import OptionError
from imfcodec.metrics.motion import Region
from imfcodec.metrics.pictures import Picture

MODEL_VARIABLE: Final = "IMFCODEC_YUNET"
DETECTOR_HINT: Final = (
    f"name the file with --yunet or {MODEL_VARIABLE}; it is YuNet, "
    "face_detection_yunet_2023mar.onnx at https://github.com/opencv/opencv_zoo/tree/main/models/face_detection_yunet"
)
"""Environment variable that names the detector's file if no option does."""

SCORE: Final = 0.7
"""Confidence of YuNet above which a box is a face; clear faces have 0.9 or more."""

LEAST_SEEN: Final = 0.5
"""Share of the frames in which a face must be found, so that filled gaps are the exception."""

MIN_BOX: Final = 32
"""Shortest side of a box in pixels, the least for LPIPS."""

_SAME_FACE_OVERLAP: Final = 0.3
"""Least intersection over union with the face of the previous frame."""

_EYES_SIZE: Final = (2.0, 0.8)
_MOUTH_SIZE: Final = (1.4, 1.0)
"""Width and height of the boxes in units of the face: see `FaceTrack.unit`."""

Landmarks = npt.NDArray[np.float64]
"""Pixel positions (x, y) [5, 2]: the eye that is left in the picture, the right one, the nose,
the left and the right corner of the mouth."""


@dataclass(frozen=True)
class Face:
    """A face that was found.

    Attributes:
        box: Its left, top, right and bottom edge in pixels.
        landmarks: float64 [5, 2].
    """

    box: tuple[float, float, float, float]
    landmarks: Landmarks

    @property
    def area(self) -> float:
        """Square pixels."""
        left, top, right, bottom = self.box
        return max(0.0, right - left) * max(0.0, bottom - top)

    def overlap(self, other: Face) -> float:
        """Intersection over union of the boxes, 0..1."""
        width = min(self.box[2], other.box[2]) - max(self.box[0], other.box[0])
        height = min(self.box[3], other.box[3]) - max(self.box[1], other.box[1])
        shared = max(0.0, width) * max(0.0, height)
        return shared / (self.area + other.area - shared) if shared else 0.0


class FaceFinder:
    """OpenCV's `FaceDetectorYN`."""

    def __init__(self, model: Path) -> None:
        """Load the model.

        Args:
            model: ONNX file of YuNet.

        Raises:
            OptionError: OpenCV is not installed, or there is no such model.
        """
        try:
            import cv2
        except ImportError as error:
            raise OptionError(
                "face boxes need OpenCV: pip install opencv-python-headless"
            ) from error
        if not model.is_file():
            raise OptionError(f"face detector {model}: no such file")
        logging = cv2.utils.logging
        level = logging.setLogLevel(logging.LOG_LEVEL_ERROR)  # it prints irrelevant warnings
        try:
            self._net = cv2.FaceDetectorYN.create(str(model), "", (320, 320), SCORE)
        except (cv2.error, AttributeError) as error:
            raise OptionError(f"{model}: OpenCV cannot load it as YuNet") from error
        finally:
            logging.setLogLevel(level)

    def find(self, picture: Picture) -> list[Face]:
        """Faces in a picture.

        Args:
            picture: uint8 RGB [H, W, 3].
        """
        faces = []
        for row in self.rows(picture):
            left, top, wide, high = (float(v) for v in row[:4])
            landmarks = np.asarray(row[4:14], np.float64).reshape(5, 2)
            faces.append(Face((left, top, left + wide, top + high), landmarks))
        return faces

    def rows(self, picture: Picture) -> list[npt.NDArray[np.float32]]:
        """Output of YuNet for each face in a picture, uint8 RGB [H, W, 3].

        Returns:
            float32 [15] each, in pixels: left, top, width, height, five landmarks x and y, and
            its confidence.
        """
        height, width = picture.shape[:2]
        self._net.setInputSize((width, height))
        _, rows = self._net.detect(np.ascontiguousarray(picture[..., ::-1]))
        return [] if rows is None else [np.asarray(row, np.float32) for row in rows]


@dataclass(frozen=True)
class FaceTrack:
    """The face of a clip.

    Attributes:
        landmarks: float64 [T, 5, 2], of every frame.
        width, height: Of the pictures, pixels.
        unit: Size of the face, pixels: the median over frames of the distance between the eyes
            or from the eyes to the mouth, whichever is longer: a turned head shortens the one,
            a bowed head the other.
    """

    landmarks: npt.NDArray[np.float64]
    width: int
    height: int
    unit: float

    def eyes(self, frame: int) -> Region:
        """Rows and columns of both eyes with their brows."""
        return self._region(self.landmarks[frame, :2].mean(0), _EYES_SIZE)

    def mouth(self, frame: int) -> Region:
        """Rows and columns of the mouth with the lips' surroundings."""
        return self._region(self.landmarks[frame, 3:].mean(0), _MOUTH_SIZE)

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
    def size(points: Landmarks) -> float:
        between_eyes = np.linalg.norm(points[1] - points[0])
        to_mouth = np.linalg.norm(points[3:].mean(0) - points[:2].mean(0))
        return float(max(between_eyes, to_mouth))

    return float(np.median([size(face.landmarks) for face in faces]))


def _slice(middle: float, length: float, limit: int) -> slice:
    """An interval of constant length around a centre, moved inside the picture."""
    pixels = min(limit, max(MIN_BOX, math.ceil(length)))
    start = min(max(0, round(middle - pixels / 2)), limit - pixels)
    return slice(start, start + pixels)
