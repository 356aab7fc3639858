"""Animated stills: a portrait becomes a short clip, so that training sees one more person.

Photographs of faces are far more numerous than videos of faces. The animation imitates a head in
front of a camera: it turns, nods, tilts and shifts like a dome, the mouth opens and widens, lids
close, eyes and brows move, and the body sways; the background stands still. The animation is a
smooth map of the photograph, almost everywhere one to one. Teeth, the background behind a head and
its far side must be learned from video.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import cv2
import numpy as np
import numpy.typing as npt

from imfcodec.training.landmarks import REACH_X, REACH_Y, Landmarks
from imfcodec.training.shards import Pictures

Field = npt.NDArray[np.float32]

FRAMES: Final = 24
"""Of a clip made of one photograph."""

AMPLITUDES: Final = {
    "yaw": 0.22,  # radians
    "pitch": 0.16,
    "roll": 0.13,
    "zoom": 0.07,  # natural logarithm
    "shift_x": 0.2,  # distances of the eyes, like all below
    "shift_y": 0.16,
    "jaw": 0.13,
    "smile": 0.08,
    "lids": 0.15,
    "gaze_x": 0.05,
    "gaze_y": 0.03,
    "brows": 0.06,
    "shoulders": 0.10,
}
"""How far each movement goes either way, seven times in eight; never half as far again."""

LONGEST: Final = 1.5
"""... times its amplitude."""

BORDER: Final = 0.12
"""Of the picture: that near to its borders everything comes to rest, for nothing lies beyond."""

QUICK: Final = ("jaw", "smile", "lids", "gaze_x", "gaze_y")
"""What changes within a few frames; the others take a second."""

GENTLE: Final = 0.3
"""Share of the clips in which everything goes a third as far: quiet heads are common."""


@dataclass(frozen=True)
class Face:
    """Where a face is, in pixels; points are complex, x + iy.

    Attributes:
        eyes: Left and right in the picture.
        mouth: Its middle.
        centre: Of all landmarks.
        scale: Distance of the eyes, or what it would be were the face not turned aside.
        reach: Half axes of an ellipse around head and hair; inside of 0.6 of it all moves with
            the head, outside of it nothing does.
    """

    eyes: tuple[complex, complex]
    mouth: complex
    centre: complex
    scale: float
    reach: complex

    @classmethod
    def of(cls, landmarks: Landmarks, side: int) -> Face | None:
        """Read landmarks of a picture of ``side`` pixels; None if they show no usable face."""
        points = (landmarks[0::2] + 1j * landmarks[1::2]) * side
        if not np.isfinite(points).all():
            return None
        eyes, mouth = complex(points[:2].mean()), complex(points[3:].mean())
        scale = max(abs(points[1] - points[0]), 0.9 * abs(mouth - eyes))
        if scale < side / 16:
            return None
        centre = complex(points.mean())
        size = float(np.abs(points - centre).mean()) * 2
        reach = complex(REACH_X * size, REACH_Y * size)
        return cls((complex(points[0]), complex(points[1])), mouth, centre, scale, reach)


def moving(
    picture: Pictures, landmarks: Landmarks, rng: np.random.Generator, count: int = FRAMES
) -> Iterator[Pictures]:
    """Frames of a clip made of one portrait, RGB uint8 [S, S, 3]; one is the portrait itself.

    ``landmarks`` are as `imfcodec.training.landmarks` lists them, float32 [10].

    Raises:
        ValueError: The landmarks show no usable face.
    """
    side = picture.shape[0]
    face = Face.of(landmarks, side)
    if face is None:
        raise ValueError("nothing moves without a face")
    y, x = np.mgrid[:side, :side].astype(np.float32)
    for pose in poses(rng, count):
        across, down = displacement(face, pose, x, y)
        # Lanczos keeps what is sharp.
        moved = cv2.remap(
            picture, x + across, y + down, cv2.INTER_LANCZOS4, borderMode=cv2.BORDER_REFLECT
        )
        yield moved.astype(np.uint8, copy=False)


def displacement(face: Face, pose: dict[str, float], x: Field, y: Field) -> Field:
    """How far away in the photograph each pixel of a frame is found, float32 [2, S, S] in pixels.

    The pose has one value of each of `AMPLITUDES`; x and y are the pixels' own places [S, S].
    """
    unit = face.scale
    place = x + 1j * y

    def bump(at: complex, wide: float, high: float) -> Field:
        """1 at a point, falling off over so many distances of the eyes."""
        apart = place - at
        return np.exp(
            -0.5 * ((apart.real / (wide * unit)) ** 2 + (apart.imag / (high * unit)) ** 2)
        ).astype(np.float32)

    # What a face does, in the face's own frame.
    open_mouth = bump(face.mouth + 0.15j * unit, 0.45, 0.35)
    beside = np.tanh((place - face.mouth).real / (0.35 * unit))
    below = np.tanh((place - face.mouth).imag / (0.3 * unit))
    inner = np.zeros_like(place)
    jaw = max(pose["jaw"], -0.2 * AMPLITUDES["jaw"])
    inner -= 1j * jaw * open_mouth * np.where(below > 0, below, 0.3 * below)
    inner -= pose["smile"] * beside * bump(face.mouth, 0.45, 0.3)
    lids = max(pose["lids"], 0.0)
    for eye in face.eyes:
        inner -= 1j * lids * bump(eye - 0.04j * unit, 0.26, 0.16)
        inner += (pose["gaze_x"] + 1j * pose["gaze_y"]) * bump(eye, 0.12, 0.09)
        inner += 1j * pose["brows"] * bump(eye - 0.4j * unit, 0.4, 0.2)
    inner *= unit

    # The head as a dome; its height tells how far a turn moves what lies where.
    apart = place - face.centre
    across, down = apart.real / (0.75 * face.reach.real), apart.imag / (0.75 * face.reach.imag)
    depth = np.clip(1 - across**2 - down**2, 0, 1) * 0.75 * face.reach.real
    turn = depth * (math.sin(pose["yaw"]) + 1j * math.sin(pose["pitch"]))
    turn += apart.real * (math.cos(pose["yaw"]) - 1)
    turned = apart * np.exp(complex(pose["zoom"], pose["roll"]))
    outer = turned - apart + turn + complex(pose["shift_x"], pose["shift_y"]) * unit
    distance = np.hypot(apart.real / face.reach.real, apart.imag / face.reach.imag)
    weight = _ease((1 - distance) / 0.4)
    total = weight * (outer + inner)

    low = np.clip((place.imag - face.mouth.imag) / unit - 0.8, 0, 1)
    total += (1 - weight) * low * pose["shoulders"] * unit

    side = x.shape[0]
    inside = np.minimum(np.minimum(x, side - 1 - x), np.minimum(y, side - 1 - y))
    total *= _ease(inside / (BORDER * side))
    return np.stack([total.real, total.imag]).astype(np.float32)


def poses(rng: np.random.Generator, count: int) -> list[dict[str, float]]:
    """So many poses on smooth paths; one of them is the photograph's own, all zeros."""
    size = 1 / 3 if rng.random() < GENTLE else 1.0
    frames, own = np.arange(count), int(rng.integers(count))
    paths = {}
    for name, amplitude in AMPLITUDES.items():
        period = rng.uniform(10, 24) if name in QUICK else rng.uniform(24, 80)
        waves = [
            share * rng.normal() * np.sin(2 * np.pi * (frames / (period * p) + rng.random()))
            for share, p in ((1.0, 1.0), (0.4, 0.5), (0.7, 2.3))
        ]
        path = amplitude * size * np.sum(waves, 0)
        path = path - path[own]
        limit = LONGEST * amplitude
        paths[name] = limit * np.tanh(path / limit)
    return [{name: float(path[frame]) for name, path in paths.items()} for frame in frames]


def _ease(x: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """0 up to 0, 1 from 1 on, and smooth between."""
    x = np.clip(x, 0, 1)
    return x * x * (3 - 2 * x)
