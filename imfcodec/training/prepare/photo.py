"""A photograph: its largest face becomes a portrait that can be made to move."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from imfcodec.errors import InputUnreadable
from imfcodec.training.landmarks import Landmarks
from imfcodec.training.prepare.extract import cropped
from imfcodec.training.prepare.faces import FaceDetector
from imfcodec.training.prepare.plan import MAX_ENLARGEMENT, MIN_FACE_PX, face_crop
from imfcodec.training.prepare.records import Crop, Dropped, ShotRecord
from imfcodec.training.prepare.scan import scan_size
from imfcodec.training.prepare.synthetic_motion import FRAMES, Face
from imfcodec.training.shards import Picture
from imfcodec.video import resize


class Portrait:
    """What a photograph gives.

    Attributes:
        shot: A clip of so many frames, or the reason why there is none.
        picture: RGB uint8 [side, side, 3]; of a photograph that is dropped, None.
        landmarks: Of its face, float32 [10]; None likewise.
    """

    def __init__(self, photo: Picture, detector: FaceDetector, side: int) -> None:
        """Look for the face.

        Args:
            photo: RGB uint8 [H, W, 3].
            detector: YuNet.
            side: Of the portrait, pixels.
        """
        self.picture: Picture | None = None
        self.landmarks: Landmarks | None = None
        size = photo.shape[1], photo.shape[0]
        small = scan_size(size)
        boxes = detector.detect(resize(photo, small))
        box = max(boxes, key=lambda box: box.height, default=None)
        if box is None:
            self.shot = _shot(Dropped.NO_FACE)
            return
        box = box.scaled(size[0] / small[0], size[1] / small[1])
        crop = face_crop([box], box.height, size)
        too_small = crop is None or crop.side * MAX_ENLARGEMENT < side
        if crop is None or too_small or box.height < MIN_FACE_PX:
            self.shot = _shot(Dropped.SMALL, crop, box.height)
            return
        picture = cropped(photo, crop, side)
        landmarks = np.asarray(detector.landmarks(picture), np.float32)
        if Face.of(landmarks, side) is None:
            self.shot = _shot(Dropped.NO_FACE, crop, box.height)
            return
        self.shot = _shot(None, crop, box.height)
        self.picture, self.landmarks = picture, landmarks


def read_photo(path: Path) -> Picture:
    """Read a picture file, upright, RGB uint8 [H, W, 3].

    Raises:
        InputUnreadable: It is none.
    """
    import cv2

    try:
        data = np.fromfile(path, np.uint8)
        picture = cv2.imdecode(data, cv2.IMREAD_COLOR)
    except (OSError, cv2.error) as error:
        raise InputUnreadable(f"{path}: {error}") from error
    if picture is None:
        raise InputUnreadable(f"{path}: not a picture that can be read")
    return np.ascontiguousarray(picture[..., ::-1]).astype(np.uint8, copy=False)


def _shot(dropped: Dropped | None, crop: Crop | None = None, face_px: float = 0.0) -> ShotRecord:
    return ShotRecord(
        start=0,
        count=1,
        first=0,
        kept=0 if dropped else FRAMES,
        crop=crop,
        face_px=round(face_px, 1) or None,
        dropped=dropped,
    )
