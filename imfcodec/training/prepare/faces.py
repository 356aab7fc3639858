"""Faces: YuNet detects them and their landmarks, and overlap tracks them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import numpy as np
import numpy.typing as npt

from imfcodec.media import writing
from imfcodec.media.faces import YUNET, FaceFinder
from imfcodec.training.landmarks import FILE, VALUES

SAME_FACE_OVERLAP = 0.3
"""Smallest intersection over union of a face with itself some frames later."""

MAX_MISSES = 2
"""Successive detections in which a track may miss its face, as with a hand or a turned head."""

STEADY_PRESENCE = 0.7
"""Share of the detections between its first and its last in which a steady face is found."""

STEADY_SHARE = 0.5
"""Share of its shot in which a steady face is present; a passer-by is not the speaker."""


@dataclass(frozen=True)
class Box:
    """A rectangle in pixels: its upper left corner and its sides."""

    x: float
    y: float
    width: float
    height: float

    def scaled(self, horizontally: float, vertically: float) -> Box:
        """The same box in a picture of another size."""
        x, width = self.x * horizontally, self.width * horizontally
        return Box(x, self.y * vertically, width, self.height * vertically)

    def overlap(self, other: Box) -> float:
        """Intersection over union, 0..1."""
        width = min(self.x + self.width, other.x + other.width) - max(self.x, other.x)
        height = min(self.y + self.height, other.y + other.height) - max(self.y, other.y)
        if width <= 0 or height <= 0:
            return 0.0
        shared = width * height
        return shared / (self.width * self.height + other.width * other.height - shared)


Sighting = tuple[int, Box]
"""A frame and where a face is in it."""


class FaceDetector:
    """YuNet, for faces of videos and landmarks of the frames that were kept.

    Attributes:
        digest: Start of the model file's sha256: another model finds other boxes.
    """

    def __init__(self) -> None:
        self.digest = hashlib.sha256(YUNET.read_bytes()).hexdigest()[:8]
        self._finder = FaceFinder()

    def detect(self, picture: npt.NDArray[np.uint8]) -> list[Box]:
        """Faces in a picture, RGB uint8 [H, W, 3]; boxes in its pixels."""
        rows = self._finder.rows(picture)
        # Rounded, so that the last bits of the network do not move a crop.
        return [Box(*(round(float(v), 1) for v in row[:4])) for row in rows]

    def landmarks(self, picture: npt.NDArray[np.uint8]) -> list[float]:
        """Landmarks of the largest face in RGB uint8 [S, S, 3]; NaN if there is no face.

        Ten numbers in units of the picture, as `imfcodec.training.landmarks` lists them.
        """
        rows = self._finder.rows(picture)
        if not rows:
            return [float("nan")] * VALUES
        largest = max(rows, key=lambda row: float(row[2] * row[3]))
        height, width = picture.shape[:2]
        return [float(v) / side for v, side in zip(largest[4:14], (width, height) * 5, strict=True)]


def find_landmarks(shard: Path, detector: FaceDetector, seen: Callable[[float], None]) -> None:
    """Write or complete ``landmarks.f32`` in the folder of a finished shard.

    Shards only grow, and a frame's landmarks follow from the frame alone: what stands there
    already is right, however the last run ended. ``seen`` is told how many frames were looked at.

    Raises:
        OutputFailed: The disk is full.
    """
    index = json.loads((shard / "index.json").read_text())
    shape = (index["frames"], index["size"], index["size"], 3)
    frames = np.memmap(shard / "frames.u8", np.uint8, "r", shape=shape)
    size = VALUES * 4
    with writing(str(shard / FILE)), (shard / FILE).open("ab") as file:
        done = min(file.tell() // size, len(frames))
        file.truncate(done * size)
        for number in range(done, len(frames)):
            points = detector.landmarks(frames[number])
            file.write(np.asarray(points, np.float32).tobytes())
            seen(number + 1)


class FaceTracks:
    """Boxes of one shot joined into tracks, best overlap first."""

    def __init__(self) -> None:
        self._tracks: list[list[Sighting]] = []
        self._detections: list[int] = []

    def add(self, frame: int, boxes: Iterable[Box]) -> None:
        """Take the faces of the next frame that was looked at."""
        left = list(boxes)
        # A track that has missed its face too often has ended.
        lately = self._detections[-MAX_MISSES - 1 :]
        going_on = [t for t in self._tracks if t[-1][0] in lately]
        self._detections.append(frame)
        pairs = [(track[-1][1].overlap(box), track, box) for track in going_on for box in left]
        for overlap, track, box in sorted(pairs, key=lambda pair: -pair[0]):
            if overlap >= SAME_FACE_OVERLAP and track[-1][0] != frame and box in left:
                track.append((frame, box))
                left.remove(box)
        self._tracks += [[(frame, box)] for box in left]

    def largest_steady(self) -> Sequence[Sighting] | None:
        """The track of the largest of the faces that stay; None if there is none."""
        steady = [track for track in self._tracks if self._is_steady(track)]
        return max(steady, key=median_height, default=None)

    @property
    def largest_px(self) -> float | None:
        """Height of the largest face ever seen, None if there was none."""
        heights = [box.height for track in self._tracks for _, box in track]
        return max(heights, default=None)

    def edges(self, track: Sequence[Sighting]) -> tuple[bool, bool]:
        """Whether a track is there from the first detection on and up to the last one."""
        return track[0][0] == self._detections[0], track[-1][0] == self._detections[-1]

    def _is_steady(self, track: Sequence[Sighting]) -> bool:
        first, last = track[0][0], track[-1][0]
        chances = sum(first <= frame <= last for frame in self._detections)
        enough = STEADY_SHARE * len(self._detections)
        return chances >= enough and len(track) >= STEADY_PRESENCE * chances


def median_height(track: Sequence[Sighting]) -> float:
    """Height of a tracked face in pixels."""
    return median(box.height for _, box in track)
