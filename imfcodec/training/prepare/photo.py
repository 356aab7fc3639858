"""A photograph: its largest face becomes a portrait to animate."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Final, NamedTuple

import av
import cv2
import numpy as np

from imfcodec.errors import InputUnreadable, UnsupportedVideo
from imfcodec.media import resize
from imfcodec.media.reader import MAX_SIDE
from imfcodec.training.landmarks import Landmarks
from imfcodec.training.prepare.extract import cropped
from imfcodec.training.prepare.faces import FaceDetector
from imfcodec.training.prepare.options import PrepareOptions
from imfcodec.training.prepare.plan import MAX_ENLARGEMENT, MIN_FACE_PX, face_crop, face_share
from imfcodec.training.prepare.records import Crop, Dropped, ShotRecord
from imfcodec.training.prepare.scan import CELL, scan_size
from imfcodec.training.prepare.synthetic_motion import FRAMES, Face
from imfcodec.training.shards import Pictures

MAX_BYTES: Final = 64 * 2**20
"""Largest file of a photograph in bytes."""

GROUND: Final = 128
"""Background of a cut-out portrait, 8-bit grey."""


class Portrait(NamedTuple):
    """What a photograph gives.

    Attributes:
        shot: A clip of so many frames, or the reason why there is none.
        picture: RGB uint8 [side, side, 3]; of a photograph that is dropped, None.
        landmarks: Of its face, float32 [10]; None likewise.
    """

    shot: ShotRecord
    picture: Pictures | None = None
    landmarks: Landmarks | None = None


def find_portrait(
    photo: Pictures, detector: FaceDetector, options: PrepareOptions, name: str
) -> Portrait:
    """Look for the largest face of a photograph, RGB uint8 [H, W, 3], and cut it out.

    How much of the crop it fills depends on the photograph's name.
    """
    kept = min(FRAMES, options.max_frames_per_shot or FRAMES)
    if kept < options.min_frames:
        return Portrait(photo_shot(Dropped.SHORT))
    size = photo.shape[1], photo.shape[0]
    small = scan_size(size)
    boxes = detector.detect(resize(photo, small))
    box = max(boxes, key=lambda box: box.height, default=None)
    if box is None:
        return Portrait(photo_shot(Dropped.NO_FACE))
    box = box.scaled(size[0] / small[0], size[1] / small[1])
    crop = face_crop([box], box.height, face_share(name, box.height, options), size)
    if crop is None or crop.side * MAX_ENLARGEMENT < options.size or box.height < MIN_FACE_PX:
        return Portrait(photo_shot(Dropped.SMALL, crop, box.height))
    picture = cropped(photo, crop, options.size)
    landmarks = np.asarray(detector.landmarks(picture), np.float32)
    if Face.of(landmarks, options.size) is None:
        return Portrait(photo_shot(Dropped.NO_FACE, crop, box.height))
    return Portrait(photo_shot(None, crop, box.height, kept), picture, landmarks)


def read_photo(path: Path) -> Pictures:
    """Read a picture file, upright, RGB uint8 [H, W, 3].

    Raises:
        InputUnreadable: It is none.
        UnsupportedVideo: It is too small or too large to be looked at.
    """
    try:
        if path.stat().st_size > MAX_BYTES:
            raise UnsupportedVideo(f"{path}: too large a file for a photograph")
        data = np.fromfile(path, np.uint8)
        # OpenCV takes memory for a gigapixel before it says how large a picture is.
        with av.open(io.BytesIO(data.tobytes())) as container:
            width, height = container.streams.video[0].width, container.streams.video[0].height
        if max(width, height) > MAX_SIDE or min(scan_size((width, height))) < CELL:
            raise UnsupportedVideo(f"{path}: a photograph of {width}x{height} pixels")
        picture = cv2.imdecode(data, cv2.IMREAD_COLOR)
        whole = cv2.imdecode(data, cv2.IMREAD_UNCHANGED)
    except (OSError, ValueError, IndexError, cv2.error) as error:
        raise InputUnreadable(f"{path}: not a picture that can be read: {error}") from error
    if picture is None or whole is None:
        raise InputUnreadable(f"{path}: not a picture that can be read")
    if whole.ndim == 3 and whole.shape[2] == 4 and whole.shape[:2] == picture.shape[:2]:
        opaque = whole[..., 3:].astype(np.float32) / (65535 if whole.dtype == np.uint16 else 255)
        picture = np.rint(picture * opaque + GROUND * (1 - opaque)).astype(np.uint8)
    return np.ascontiguousarray(picture[..., ::-1], np.uint8)


def photo_shot(
    dropped: Dropped | None, crop: Crop | None = None, face_px: float = 0.0, kept: int = 0
) -> ShotRecord:
    """The record of a photograph: why it is dropped, or how many frames it becomes."""
    return ShotRecord(0, 1, 0, kept, crop, round(face_px, 1) or None, dropped)
