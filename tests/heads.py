"""Synthetic heads, and a detector that knows where they are."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np

import imfcodec
from imfcodec import weights
from imfcodec.config import EncodeOptions
from imfcodec.media.faces import Face
from imfcodec.sender.layout.heads import HeadTracker
from imfcodec.sender.layout.placing import PlacedFrame, WindowPlacer
from imfcodec.sender.source_frame import SourceFrame
from imfcodec.weights import Weights

SIZE = (320, 192)
"""Width and height of the pictures."""

Place = tuple[float, float, float]
"""Middle x, middle y and height of a face in pixels."""

Plan = Callable[[int], Sequence[Place]]
"""The faces of each frame."""


def face_at(x: float, y: float, height: float) -> Face:
    """A face as the detector would find it."""
    width = 0.8 * height
    box = (x - width / 2, y - height / 2, x + width / 2, y + height / 2)
    return Face(box, np.zeros((5, 2)))


def picture_of(
    number: int, places: Sequence[Place], size: tuple[int, int] = SIZE, *, talks: bool = True
) -> np.ndarray:
    """Faces over a still ground, uint8 [H, W, 3]; the first pixel tells the number."""
    width, height = size
    y, x = np.mgrid[:height, :width]
    ground = np.stack([60 + x * 120 / width, 60 + y * 120 / height, 90 + (x // 16 + y // 16) % 2])
    picture = np.ascontiguousarray(ground.transpose(1, 2, 0).astype(np.uint8))
    for left, top, h in places:
        middle, open_ = (round(left), round(top)), 1 + number % 5 if talks else 1
        cv2.ellipse(
            picture, middle, (round(0.4 * h), round(0.5 * h)), 0, 0, 360, (210, 160, 140), -1
        )
        mouth = (round(left), round(top + 0.25 * h))
        cv2.ellipse(
            picture, mouth, (round(0.15 * h), round(0.05 * h * open_)), 0, 0, 360, (60, 20, 20), -1
        )
        for side in (-1, 1):
            eye = (round(left + side * 0.17 * h), round(top - 0.12 * h))
            cv2.circle(picture, eye, max(1, round(0.06 * h)), (30, 30, 60), -1)
    picture[0, 0] = number % 256
    return picture


class FakeFinder:
    """Stands in for `FaceFinder`: it reads the number of the frame, and looks into the plan."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan

    def find(self, picture: np.ndarray) -> list[Face]:
        return [face_at(*place) for place in self._plan(int(picture[0, 0, 0]))]


def frames_of(
    plan: Plan, count: int, size: tuple[int, int] = SIZE, *, talks: bool = True
) -> list[SourceFrame]:
    """Frames with the faces of a plan, whose pts are their numbers."""
    return [SourceFrame(n, n, picture_of(n, plan(n), size, talks=talks)) for n in range(count)]


def placer_of(plan: Plan, most: int = 4, **options: bool) -> WindowPlacer:
    """A placer at 25 frames per second."""
    tracker = HeadTracker(FakeFinder(plan))  # type: ignore[arg-type]
    return WindowPlacer(SIZE, Fraction(1, 25), most, tracker=tracker, **options)


def placed(
    plan: Plan, count: int, most: int = 4, *, talks: bool = True, close_ups: bool = True
) -> list[PlacedFrame]:
    """All frames of a plan with their windows."""
    placer = placer_of(plan, most, close_ups=close_ups)
    frames = frames_of(plan, count, talks=talks)
    out = [p for frame in frames for p in placer.push(frame, cut=False)]
    return [*out, *placer.flush()]


def loaded_weights(folder: Path) -> Weights:
    """The only weights in a folder."""
    [path] = folder.glob("*.safetensors")
    return weights.load(weights.find(str(path)))


OPTIONS = EncodeOptions(
    layout="windows",
    refine=0,
    key_preset=10,
    keyframe_interval_s=0.8,
    choose_keys=False,
    look_ahead=False,
    face_weight=1,
    short_side=96,
)
"""Quick to code, with every kind of packet."""


def coded(
    loaded: Weights | None,
    plan: Plan,
    count: int,
    options: EncodeOptions = OPTIONS,
    size: tuple[int, int] = SIZE,
    fps: int = 25,
) -> bytes:
    """A stream of pictures with the faces of a plan; the caller sees to the detector."""
    file = io.BytesIO()
    with imfcodec.Encoder(
        file, width=size[0], height=size[1], fps=fps, options=options, loaded=loaded
    ) as encoder:
        for frame in frames_of(plan, count, size):
            encoder.write(frame.picture)
    return file.getvalue()
