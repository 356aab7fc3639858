"""Faces in pictures, found by YuNet.

The model `yunet_n_dynamic.onnx` is that of github.com/ShiqiYu/libfacedetection.train, Apache-2.0
(`LICENSES/Apache-2.0.txt`).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import Final

import cv2
import numpy as np
import numpy.typing as npt

from imfcodec.arrays import Picture
from imfcodec.errors import OptionError

YUNET: Final = Path(__file__).with_name("yunet_n_dynamic.onnx")
"""The detector that comes with the package."""

SCORE: Final = 0.7
"""Confidence of YuNet above which a box is a face; clear faces have 0.9 or more."""

Landmarks = npt.NDArray[np.float64]
"""Pixel positions (x, y) [5, 2]: the eye that is left in the picture, the right one, the nose,
the left and the right corner of the mouth."""

EYES_SIZE: Final = (2.0, 0.8)
MOUTH_SIZE: Final = (1.4, 1.0)
"""Width and height of the boxes of both eyes and of the mouth, in units of `face_unit`."""


def face_unit(points: Landmarks) -> float:
    """Size of a face in pixels.

    It is the distance between the eyes or from the eyes to the mouth, whichever is longer: a turned
    head shortens the one, a bowed head the other.
    """
    between_eyes = np.linalg.norm(points[1] - points[0])
    to_mouth = np.linalg.norm(points[3:].mean(0) - points[:2].mean(0))
    return float(max(between_eyes, to_mouth))


def eyes_and_mouth(points: Landmarks) -> Iterator[tuple[slice, slice]]:
    """Rows and columns of the box of both eyes, then of the box of the mouth.

    They are cut at the left and the upper border of the picture; indexing cuts them at the others.
    """
    for part, size in ((points[:2], EYES_SIZE), (points[3:], MOUTH_SIZE)):
        reach = np.array(size) * face_unit(points) / 2
        left, top = np.maximum(part.mean(0) - reach, 0).round().astype(int).tolist()
        right, bottom = np.maximum(part.mean(0) + reach, 0).round().astype(int).tolist()
        yield slice(top, bottom), slice(left, right)


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
    """OpenCV's `FaceDetectorYN`; several threads may use it."""

    def __init__(self, model: Path = YUNET) -> None:
        """Load the model.

        Args:
            model: ONNX file of YuNet.

        Raises:
            OptionError: There is no such model.
        """
        if not model.is_file():
            raise OptionError(f"face detector {model}: no such file")
        self._using = Lock()
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
        with self._using:
            self._net.setInputSize((width, height))
            _, rows = self._net.detect(np.ascontiguousarray(picture[..., ::-1]))
        return [] if rows is None else [np.asarray(row, np.float32) for row in rows]
