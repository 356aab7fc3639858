"""The first pass over a source: small pictures only, from which come its shots and faces."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

from imfcodec.errors import UnsupportedVideo
from imfcodec.media import AudioMode, MediaInfo, MediaReader
from imfcodec.media.reader import MAX_SIDE
from imfcodec.sender.luma_cells import luma_cells
from imfcodec.training.prepare.faces import FaceDetector, FaceTracks

SCAN_SIDE: Final = 640
"""Longest side of a scanned picture, pixels: YuNet finds faces of some
dozen pixels, so that one worth keeping is still found in a picture of 1920."""

LONGEST_SHOT: Final = 1500
"""Frames. A longer take counts as several shots: in a minute a face wanders out of a crop that
stands still, and all key frames of a clip belong to it as a whole."""

Cells = npt.NDArray[np.float32]
"""Luma in 8-bit levels, the mean of each cell of a picture: float32 [rows, columns]."""

CELL = 8
"""Side of a cell in pixels of the scanned picture: noise and compression drop out."""

CUT_LEVELS = 16.0
"""Smallest mean change of luma at a cut; a face that fills the picture and turns quickly reaches
14."""

CUT_RATIO = 2.5
"""... and smallest ratio to the usual change, so that pans and handheld cameras are no cuts."""

USUAL_FRAMES = 9
"""Over how many changes the usual one is taken: their second largest. So one cut or flash does
not hide the next cut (a sender, which pays for each, lets it), and a camera that repeats frames
and then jumps is not cut at every jump."""

Size = tuple[int, int]
Seen = Callable[[float], None]
"""Takes the seconds of video that have been read."""


class Shot:
    """A run of frames without a cut, and what is known of its pixels.

    Attributes:
        start: its first frame within the source.
        count: frames.
        low, high: extremes of luma over time, per cell.
        contrast: largest standard deviation of luma over the cells of one frame, 8-bit levels.
        tracks: its faces in pixels of the scanned picture, None if none were looked for.
    """

    def __init__(self, start: int, cells: Cells, tracks: FaceTracks | None) -> None:
        self.start = start
        self.count = 0
        self.low, self.high = cells.copy(), cells.copy()
        self.contrast = 0.0
        self.tracks = tracks

    def add(self, cells: Cells) -> None:
        """Take in the next frame."""
        self.count += 1
        np.minimum(self.low, cells, out=self.low)
        np.maximum(self.high, cells, out=self.high)
        self.contrast = max(self.contrast, float(cells.std()))


class Scan:
    """One source, its sizes and its shots.

    Attributes:
        size: (width, height) upright and with square pixels.
        small: (width, height) as scanned.
        fps: frames per second, None if the source does not say.
        duration_s: what the source says, None if it does not.
        frames: seen so far.
        seconds: of video seen so far.
        warnings: the reader's, complete after `shots`.
    """

    def __init__(self, path: Path, detector: FaceDetector | None, detect_every: int) -> None:
        """Open the source.

        Raises:
            InputUnreadable, NoVideoStream, NoFrames, UnsupportedVideo: As `MediaReader`, or it
                is too small to be looked at.
        """
        with MediaReader(path, audio=AudioMode.NONE) as reader:
            info = reader.info
        self.size = square_pixels(info)
        self.small = scan_size(self.size)
        if min(self.small) < CELL:
            raise UnsupportedVideo(f"{path}: {info.width}x{info.height} is too small")
        self.fps = float(info.average_rate) if info.average_rate else None
        self.duration_s = info.duration_s
        self.frames = 0
        self.seconds = 0.0
        self.warnings: list[str] = []
        self._path = path
        self._detector = detector
        self._detect_every = detect_every

    def shots(self, seen: Seen) -> Iterator[Shot]:
        """Yield the shots in order.

        Raises:
            InputUnreadable, UnsupportedVideo: as `MediaReader.events`.
        """
        cuts = CutDetector()
        shot: Shot | None = None
        with MediaReader(self._path, audio=AudioMode.NONE, size=self.small) as reader:
            for number, picture in enumerate(reader.pictures()):
                cells = small_luma(picture.rgb)
                cut = cuts.is_cut(cells)
                if shot is not None and (cut or shot.count == LONGEST_SHOT):
                    yield shot
                    shot = None
                if shot is None:
                    shot = Shot(number, cells, FaceTracks() if self._detector else None)
                if self._detector and shot.tracks and not shot.count % self._detect_every:
                    shot.tracks.add(number, self._detector.detect(picture.rgb))
                shot.add(cells)
                self.frames = number + 1
                self.seconds = float(picture.pts * reader.info.time_base)
                seen(self.seconds)
        if shot is not None:
            yield shot
        self.warnings = list(reader.warnings)


def square_pixels(info: MediaInfo) -> Size:
    """(width, height) of the pictures once their pixels are square; nothing is thrown away.

    Raises:
        UnsupportedVideo: the pixels are so far from square that this is too large.
    """
    aspect = info.sample_aspect_ratio
    width, height = info.width, info.height
    if aspect > 1:
        width = round(width * aspect)
    elif aspect < 1:
        height = round(height / aspect)
    if max(width, height) > MAX_SIDE:
        raise UnsupportedVideo(f"a picture of {width}x{height} is too large")
    return width, height


def scan_size(size: Size) -> Size:
    """(width, height) at which faces are looked for."""
    shrink = min(1.0, SCAN_SIDE / max(size))
    return round(size[0] * shrink), round(size[1] * shrink)


def small_luma(picture: npt.NDArray[np.uint8]) -> Cells:
    """RGB uint8 [H, W, 3], H and W at least `CELL` -> cells [H // CELL, W // CELL]."""
    height, width = (length // CELL * CELL for length in picture.shape[:2])
    # Every second pixel both ways: sixteen per cell are enough.
    return luma_cells(picture[:height:2, :width:2], CELL // 2)


class CutDetector:
    """Detects the first frame of every shot except the first."""

    def __init__(self) -> None:
        self._previous: Cells | None = None
        self._changes: deque[float] = deque(maxlen=USUAL_FRAMES)

    def is_cut(self, cells: Cells) -> bool:
        """Whether the next frame in order begins a new shot."""
        previous, self._previous = self._previous, cells
        if previous is None:
            return False
        change = float(np.abs(cells - previous).mean())
        usual = sorted(self._changes)[-2] if len(self._changes) > 1 else 0.0
        self._changes.append(change)
        return change > CUT_LEVELS and change > CUT_RATIO * usual
