"""A short talking-head clip that needs no download, made by moving a photograph.

The portrait is the astronaut Eileen Collins (NASA, public domain) that scikit-image carries.

portrait ─► blink ─► open_mouth ─► turn_head ─► frame
              └───────────┴─────────── Pose at time t: smooth curves from a fixed seed

The clip shows that the codec works. It is no measure of quality: a distorted photograph is easier
to code than a real person.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np
import numpy.typing as npt

from imfcodec.arrays import Picture
from imfcodec.errors import OptionError
from imfcodec.media import MediaWriter

Floats = npt.NDArray[np.floating]

# All positions are (x, y) in pixels of the portrait, a square of this side.
SIDE = 480
_CROP = (slice(0, 240), slice(108, 348))
"""Head and shoulders in scikit-image's picture. Enlarged twofold before it is sampled, so that
the bilinear sampling of a moving head does not blur and sharpen it in turns."""

_EYES = (((189.0, 193.0), 21.0), ((279.0, 197.0), 23.0))
"""(middle of the upper lid's edge, half width) of both eyes."""
_LID_DROP = 17.0
_LID_FOLD = 10.0
"""How far above the lid's edge the skin begins that unfolds over the eye."""
_LASHES = 4.0

_LIPS = (232.0, 298.0)
"""Where the lower lip meets the teeth, in the middle of the smile."""
_LIPS_HALF_WIDTH = 40.0
_SMILE = 16.0
"""How much higher the corners of the mouth are."""
_GAPE = 17.0
_JAW = 100.0
"""How far below the lips the skin stretches when the mouth opens."""
_INSIDE = np.array((58, 22, 22), np.float32)

_NECK = (234.0, 370.0)
_FACE_MIDDLE = (234.0, 200.0)
_FACE_RADII = (160.0, 190.0)
_HEAD = (((238.0, 150.0), (154.0, 124.0)), ((231.0, 241.0), (100.0, 132.0)))
"""(middle, radii) of hair and face: what moves as one."""
_FADE = 0.45
"""In which fraction of those radii the motion fades to the still background."""


@dataclass(frozen=True)
class Pose:
    """What the person does at one moment.

    Attributes:
        roll: Tilt of the head, radians.
        yaw: Turn to the side, pixels by which the nearest point of the face moves.
        pitch: Nod, in the same unit.
        shift: Motion of the whole head (x, y), pixels.
        scale: Its size.
        mouth: 0 the smile of the portrait, 1 wide open.
        lids: 0 open, 1 closed.
    """

    roll: float = 0.0
    yaw: float = 0.0
    pitch: float = 0.0
    shift: tuple[float, float] = (0.0, 0.0)
    scale: float = 1.0
    mouth: float = 0.0
    lids: float = 0.0


def write_demo_clip(
    path: Path,
    *,
    seconds: float = 6,
    rate: int = 25,
    size: int = 256,
    overwrite: bool = False,
) -> None:
    """Write the frames of `demo_frames` as a silent video; the extension chooses the container.

    Raises:
        OptionError: As `demo_frames`.
        OutputExists: The target exists and `overwrite` is false.
        OutputFailed: The target cannot be written.
    """
    frames = demo_frames(seconds, rate, size)
    fps = Fraction(rate)
    with MediaWriter(
        path, width=size, height=size, time_base=1 / fps, rate=fps, overwrite=overwrite
    ) as writer:
        for pts, frame in enumerate(frames):
            writer.write(pts, frame)


def demo_frames(seconds: float = 6, rate: int = 25, size: int = 256) -> Iterator[Picture]:
    """The clip picture by picture, uint8 RGB [size, size, 3]; the same on every call.

    Args:
        seconds: Duration; rounded to whole frames, at least one.
        rate: Frames per second; changes how often the motion is looked at, not the motion.
        size: Side of the picture in pixels, 32 to 2048.

    Raises:
        OptionError: A value cannot be used, or scikit-image is not installed.
    """
    if not 0 < seconds <= 3600 or not 1 <= rate <= 240 or not 32 <= size <= 2048:
        raise OptionError(
            f"no demo clip of {seconds} s at {rate} frames/s and {size} pixels: "
            "at most 3600 s, 240 frames/s, and 32 to 2048 pixels"
        )
    portrait = _load_portrait()
    count = max(1, round(seconds * rate))
    return (render(portrait, pose, size) for pose in _poses(count, rate))


def render(portrait: Floats, pose: Pose, size: int) -> Picture:
    """One frame, uint8 RGB [size, size, 3], of `portrait` [SIDE, SIDE, 3] in `pose`."""
    face = portrait.copy()
    for lid, half_width in _EYES:
        _blink(face, lid, half_width, pose.lids)
    _open_mouth(face, pose.mouth)
    x, y = _turn_head(pose, size)
    return np.rint(_sample(face, x, y)).clip(0, 255).astype(np.uint8)


def _load_portrait() -> Floats:
    try:
        from skimage.data import astronaut
        from skimage.transform import resize
    except ImportError as error:
        raise OptionError(
            "the demo clip needs scikit-image: pip install 'imfcodec[demo]'"
        ) from error
    portrait: Floats = resize(
        astronaut()[_CROP].astype(np.float32), (SIDE, SIDE), order=3, preserve_range=True
    )
    return portrait


def _poses(count: int, rate: int) -> Iterator[Pose]:
    """The motion, `count` times at `rate` per second."""
    random = np.random.default_rng(1983)
    phases = random.uniform(0, math.tau, (5, 3))
    blinks = np.cumsum(random.uniform(1.2, 2.6, 2 + count // rate))
    for index in range(count):
        t = index / rate
        # Incommensurate frequencies in hertz: the motion does not repeat within a clip.
        waves = np.sin(math.tau * t * np.array((0.19, 0.37, 0.83)) + phases)
        roll, yaw, pitch, x, y = waves @ np.array((0.55, 0.35, 0.1))
        talking = min(1.0, max(0.0, 0.55 + math.sin(math.tau * 0.27 * t - 0.9)))
        syllable = 0.5 - 0.5 * math.cos(math.tau * (3.1 * t + 0.5 * math.sin(1.7 * t)))
        strength = 0.65 + 0.35 * math.sin(2.9 * t)
        yield Pose(
            roll=0.09 * roll,
            yaw=20 * yaw,
            pitch=11 * pitch,
            shift=(9 * x, 6 * y),
            scale=1 + 0.025 * y,
            mouth=talking * syllable * strength,
            lids=max(0.0, 1 - (float(np.abs(blinks - t).min()) / 0.13) ** 2),
        )


def _blink(face: Floats, lid: tuple[float, float], half_width: float, closed: float) -> None:
    """Lower one upper lid in place: its skin unfolds over an eye that stays where it is."""
    patch, x, y = _patch(lid, half_width + 4, 24)
    across = 1 - ((x - lid[0]) / half_width).clip(-1, 1) ** 2
    edge = lid[1] + 8 * (1 - across)
    fold = lid[1] - _LID_FOLD
    drop = closed * _LID_DROP * across
    unfolded = fold + (y - fold) * (edge - fold) / (edge + drop - fold)
    source = np.where(y < fold, y, np.where(y < edge + drop, unfolded, y - drop))
    covered = (edge + drop + _LASHES - y).clip(0, 1)[..., None]
    face[patch] += covered * (_sample(face, x, source) - face[patch])


def _open_mouth(face: Floats, opening: float) -> None:
    """Part the lips in place: the jaw moves down and leaves a dark gap below the teeth."""
    patch, x, y = _patch(_LIPS, _LIPS_HALF_WIDTH + 2, _JAW + _GAPE + 4)
    across = 1 - ((x - _LIPS[0]) / _LIPS_HALF_WIDTH).clip(-1, 1) ** 2
    lip = _LIPS[1] - _SMILE * (1 - across)
    gap = opening * _GAPE * across
    drop = gap * (1 - _smoothstep((y - lip - gap) / _JAW))
    jaw = _sample(face, x, y - (y - lip).clip(0, drop))
    inside = (np.minimum(y - lip, lip + gap - y) / 2).clip(0, 1)[..., None]
    face[patch] = jaw + inside * (_INSIDE - jaw)


def _turn_head(pose: Pose, size: int) -> tuple[Floats, Floats]:
    """Where in the portrait each pixel of the frame comes from: x, y, both [size, size]."""
    ticks = (np.arange(size, dtype=np.float32) + 0.5) * (SIDE / size) - 0.5
    x, y = np.meshgrid(ticks, ticks)
    right, down = (x - _NECK[0] - pose.shift[0]), (y - _NECK[1] - pose.shift[1])
    cos, sin = math.cos(pose.roll) / pose.scale, math.sin(pose.roll) / pose.scale
    nearness = (1 - _radius(x, y, _FACE_MIDDLE, _FACE_RADII) ** 2).clip(0)
    moved_x = _NECK[0] + cos * right + sin * down - pose.yaw * nearness
    moved_y = _NECK[1] + cos * down - sin * right - pose.pitch * nearness
    still = np.ones_like(x)
    for middle, radii in _HEAD:
        still *= _smoothstep((_radius(x, y, middle, radii) - 1) / _FADE)
    return x + (1 - still) * (moved_x - x), y + (1 - still) * (moved_y - y)


def _patch(
    middle: tuple[float, float], half_width: float, half_height: float
) -> tuple[tuple[slice, slice], Floats, Floats]:
    """The pixels around a point: their index in the portrait, their x, their y."""
    left, top = max(0, int(middle[0] - half_width)), max(0, int(middle[1] - half_height))
    right, bottom = int(middle[0] + half_width) + 1, int(middle[1] + half_height) + 1
    y, x = np.mgrid[top : min(bottom, SIDE), left : min(right, SIDE)].astype(np.float32)
    return (slice(top, min(bottom, SIDE)), slice(left, min(right, SIDE))), x, y


def _sample(picture: Floats, x: Floats, y: Floats) -> Floats:
    """`picture` [SIDE, SIDE, 3] at fractional positions [H, W], bilinear -> [H, W, 3]."""
    x, y = x.clip(0, SIDE - 1.001), y.clip(0, SIDE - 1.001)
    column, row = x.astype(np.intp), y.astype(np.intp)
    along, below = (x - column)[..., None], (y - row)[..., None]
    pixels, corner = picture.reshape(-1, 3), row * SIDE + column
    upper = pixels[corner] + along * (pixels[corner + 1] - pixels[corner])
    corner = corner + SIDE
    lower = pixels[corner] + along * (pixels[corner + 1] - pixels[corner])
    sampled: Floats = (upper + below * (lower - upper)).astype(np.float32)
    return sampled


def _radius(
    x: Floats, y: Floats, middle: tuple[float, float], radii: tuple[float, float]
) -> Floats:
    """Distance from the middle of an ellipse; 1 on its edge."""
    radius: Floats = np.hypot((x - middle[0]) / radii[0], (y - middle[1]) / radii[1])
    return radius


def _smoothstep(x: Floats) -> Floats:
    x = x.clip(0, 1)
    return x * x * (3 - 2 * x)
