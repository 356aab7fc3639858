"""The heads of a video, followed from frame to frame.

    picture ─ YuNet, some times a second ─ sightings ─ joined by overlap ─► heads

A detector flickers, and it finds faces in pictures on the wall. A head is therefore *alive* only
once something in its face has moved.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
import numpy.typing as npt

from imfcodec.arrays import Picture
from imfcodec.media.faces import Face, FaceFinder
from imfcodec.sender.luma_cells import LUMA

LONG_SIDE: Final = 640
"""Faces are searched in a picture whose long side is at most this, in pixels."""

LEAST_FACE: Final = 24
"""Height of the smallest face that counts, in pixels of the source."""

SAME_HEAD: Final = 0.2
"""Least overlap, as intersection over union, of two successive sightings of a head."""

STAYS: Final = 0.6
"""A head whose overlap with the sighting before is as large as this has not moved: no shot begins
there. Fast hands look like a cut otherwise, and a needless key picture costs most of a second."""

CELLS: Final = 8
"""A face is compared with itself in so many cells by so many."""

STIRS: Final = 6.0
"""Change of a cell's luma, in 8-bit levels, which only a living face shows: that of all cells
together, such as another exposure, does not count."""


@dataclass(frozen=True)
class Sighting:
    """A face in one frame, in pixels of the source.

    Attributes:
        pts: Of the frame.
        x, y: Middle of its box.
        height: Of its box, from the brows to the chin.
    """

    pts: int
    x: float
    y: float
    height: float


class Head:
    """A head that is followed.

    Attributes:
        sightings: In order of time; at least one.
        face: The last one as it was found.
        alive: Whether something in the face has moved.
        end_pts: When the shot with this head ended; None before.
    """

    def __init__(self, face: Face, sighting: Sighting, luma: npt.NDArray[np.float32]) -> None:
        """Begin with a face, found in a picture of this luma [H, W] in 8-bit levels."""
        self.face = face
        self.sightings = [sighting]
        self.alive = False
        self.end_pts: int | None = None
        self._place = face.box
        self._first_looks = self._looks(luma)

    def see(self, face: Face, sighting: Sighting, luma: npt.NDArray[np.float32]) -> None:
        """Take the next sighting."""
        self.face = face
        self.sightings.append(sighting)
        before, now = self._first_looks, self._looks(luma)
        gain = (before * now).sum() / max(1.0, np.square(before).sum())  # of a new exposure
        self.alive = self.alive or bool(np.abs(now - gain * before).max() > STIRS)

    def at(self, pts: int) -> Sighting:
        """The head at a time, interpolated between sightings."""
        times = [s.pts for s in self.sightings]
        place = bisect_right(times, pts)
        if place in (0, len(times)):
            return self.sightings[max(0, place - 1)]
        a, b = self.sightings[place - 1 : place + 1]
        share = (pts - a.pts) / (b.pts - a.pts)
        x, y, height = (
            p + share * (q - p) for p, q in ((a.x, b.x), (a.y, b.y), (a.height, b.height))
        )
        return Sighting(pts, x, y, height)

    def forget(self, pts: int) -> None:
        """Drop the sightings before a time, except the last one of them."""
        place = bisect_right([s.pts for s in self.sightings], pts)
        del self.sightings[: max(0, place - 1)]

    def _looks(self, luma: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """The place where the face was first, less its mean luma."""
        left, top, right, bottom = (max(0, round(edge)) for edge in self._place)
        place = luma[top : bottom + 1, left : right + 1]
        cells = np.asarray(cv2.resize(place, (CELLS, CELLS), interpolation=cv2.INTER_AREA))
        return cells - cells.mean()


class HeadTracker:
    """Joins the faces of successive pictures to heads.

    Attributes:
        heads: Those that are followed.
        looks: Times at which pictures were searched.
    """

    def __init__(self, finder: FaceFinder | None = None) -> None:
        """Take a detector; None loads the package's own."""
        self._finder = finder or FaceFinder()
        self.heads: list[Head] = []
        self.looks: list[int] = []

    def look(self, pts: int, picture: Picture, *, cut: bool = False) -> bool:
        """Search a frame.

        Args:
            pts: Of the frame.
            picture: RGB uint8 [H, W, 3] at display size.
            cut: Whether a shot seems to begin.

        Returns:
            Whether a shot begins: no head is where it was.
        """
        scale = min(1.0, LONG_SIDE / max(picture.shape[:2]))
        if scale < 1:
            size = [max(1, round(side * scale)) for side in picture.shape[1::-1]]
            picture = np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_AREA))
        luma = picture.astype(np.float32) @ LUMA
        faces = [f for f in self._finder.find(picture) if _height(f) >= LEAST_FACE * scale]
        known = [head for head in self.heads if head.end_pts is None]
        pairs = _paired([head.face for head in known], faces)
        cut = cut and all(known[h].face.overlap(faces[f]) < STAYS for f, h in pairs.items())
        if cut:
            pairs = {}
            for head in known:
                head.end_pts = pts
        for f, face in enumerate(faces):
            left, top, right, bottom = (edge / scale for edge in face.box)
            sighting = Sighting(pts, (left + right) / 2, (top + bottom) / 2, bottom - top)
            if f in pairs:
                known[pairs[f]].see(face, sighting, luma)
            else:
                self.heads.append(Head(face, sighting, luma))
        self.looks.append(pts)
        return cut

    def forget(self, pts: int) -> None:
        """Drop what lies before a time, and the heads that were last seen before it."""
        self.heads = [head for head in self.heads if head.sightings[-1].pts >= pts]
        for head in self.heads:
            head.forget(pts)
        self.looks = [look for look in self.looks if look >= pts]


def _paired(before: Sequence[Face], now: Sequence[Face]) -> dict[int, int]:
    """Which of the faces before each of those now is, by index; the best overlap first."""
    pairs: dict[int, int] = {}
    overlaps = [
        (old.overlap(new), b, n) for b, old in enumerate(before) for n, new in enumerate(now)
    ]
    for overlap, b, n in sorted(overlaps, reverse=True):
        if overlap >= SAME_HEAD and n not in pairs and b not in pairs.values():
            pairs[n] = b
    return pairs


def _height(face: Face) -> float:
    return face.box[3] - face.box[1]
