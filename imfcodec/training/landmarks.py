"""Facial landmarks of a shard's frames: where optical flow starts, and where errors count more.

``landmarks.f32`` lies beside ``frames.u8``: ten float32 per frame, x and y of the eye to the left
in the picture, the eye to the right, the nose, and the corners of the mouth to the left and to
the right, in units of the picture; NaN where no face was found.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt

FILE = "landmarks.f32"
POINTS = 5
VALUES = 2 * POINTS

REACH_X, REACH_Y = 2.2, 3.0
"""Half axes of the ellipse that moves with the landmarks, in twice their mean distance from
their centre; inside 0.6 of it wholly, at 1.6 of it no more."""

Landmarks = npt.NDArray[np.float32]


def load_landmarks(folder: Path, frames: int) -> Landmarks | None:
    """The landmarks of a shard of so many frames, float32 [frames, 10]; None if it has none."""
    path = folder / FILE
    if not path.exists() or path.stat().st_size != frames * VALUES * 4:
        return None
    return np.memmap(path, np.float32, "r", shape=(frames, VALUES))


def coarse_flow(current: Landmarks, reference: Landmarks, side: int) -> npt.NDArray[np.float32]:
    """Flow of the similarity that takes the landmarks [10] of x_c to those of x_r.

    float32 [side, side, 2] in cells; 0 away from the face, and everywhere if a face is missing or
    all but a point.
    """
    here, there = ((p[0::2] + 1j * p[1::2]) * side for p in (current, reference))
    centre, size = here.mean(), np.abs(here - here.mean()).mean() * 2
    # Optical flow that starts from NaN crashes.
    if not (np.isfinite(here).all() and np.isfinite(there).all() and size > 1):
        return np.zeros((side, side, 2), np.float32)
    # Complex least squares: one factor holds rotation and zoom.
    factor = np.vdot(here - centre, there - there.mean()) / np.vdot(here - centre, here - centre)
    y, x = np.mgrid[:side, :side].astype(np.float32) + 0.5
    from_centre = x + 1j * y - centre
    flow = there.mean() - centre + (factor - 1) * from_centre
    distance = np.hypot(from_centre.real / (REACH_X * size), from_centre.imag / (REACH_Y * size))
    weight = np.clip(1.6 - distance, 0, 1)
    return np.dstack([flow.real * weight, flow.imag * weight]).astype(np.float32)
