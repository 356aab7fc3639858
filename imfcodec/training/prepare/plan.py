"""The plan of a shot: which of its frames are kept, and where they are cropped."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np

from imfcodec.training.prepare.faces import Box, median_height
from imfcodec.training.prepare.options import PrepareOptions
from imfcodec.training.prepare.records import Crop, Dropped, ShotRecord
from imfcodec.training.prepare.scan import CELL, Shot, Size
from imfcodec.training.shards import name_hash

FACE_SHARES: Final = (0.35, 0.7)
"""Smallest and largest height of the face over the side of the crop, where the picture leaves room.
A sender's windows begin at 0.5 and stay while the face comes nearer and goes away."""

MIN_FACE_SHARE: Final = 0.25
"""Smallest share of the face in the crop: a face that moves so far that a crop around all its
positions would show it smaller is no talking head."""

MIN_FACE_PX: Final = 64
"""Height of the smallest useful face in source pixels: below it lips and eyes are a few pixels
each, and the network would learn the scaler's blur."""

MAX_ENLARGEMENT: Final = 2.0
"""A crop is enlarged by at most this factor, for the same reason."""

BLANK_LEVELS: Final = 5.0
"""Standard deviation of luma over the picture in 8-bit levels, in the liveliest frame. Plain
black with coding noise stays near 0; the flattest of real clips reach 36."""

FROZEN_LEVELS: Final = 6.0
"""Change of luma over the whole shot in the cell of the crop that changes most. Coding noise on
a still picture reaches 3; a head that hardly moves, 100."""


def plan_shot(
    shot: Shot, size: Size, small: Size, options: PrepareOptions, name: str
) -> ShotRecord:
    """A shot's record, with a crop or with the reason why there is none.

    Args:
        shot: What the scan saw.
        size: (width, height) of the source's pictures.
        small: (width, height) of the scanned pictures, in which the faces are.
        options: Of the run.
        name: Of the source.
    """
    first, end = shot.start, shot.start + shot.count
    face_px: float | None = None

    def record(dropped: Dropped | None, crop: Crop | None = None) -> ShotRecord:
        shown_px = round(face_px, 1) if face_px else None
        used = 0 if dropped else kept
        return ShotRecord(shot.start, shot.count, first, used, crop, shown_px, dropped)

    kept = _kept(first, end, options)
    if shot.contrast < BLANK_LEVELS:
        return record(Dropped.BLANK)
    if kept < options.min_frames:
        return record(Dropped.SHORT)
    if shot.tracks is None:
        side = min(size)
        crop = Crop((size[0] - side) // 2, (size[1] - side) // 2, side)
    else:
        zoom = size[0] / small[0], size[1] / small[1]
        track = shot.tracks.largest_steady()
        if track is None:
            face_px = (shot.tracks.largest_px or 0.0) * zoom[1]
            return record(Dropped.UNSTEADY if face_px else Dropped.NO_FACE)
        # The crop is cut around a face that is there: what comes before and after is left out.
        from_start, to_end = shot.tracks.edges(track)
        first = first if from_start else track[0][0]
        end = end if to_end else track[-1][0] + 1
        kept = _kept(first, end, options)
        last = first + (kept - 1) * options.stride
        within = [sighting for sighting in track if sighting[0] <= last] or track[:1]
        face_px = median_height(within) * zoom[1]
        if kept < options.min_frames:
            return record(Dropped.SHORT)
        if face_px < MIN_FACE_PX:
            return record(Dropped.SMALL)
        share = face_share(f"{name}#{shot.start}", face_px, options)
        found = face_crop([box.scaled(*zoom) for _, box in within], face_px, share, size)
        if found is None:
            return record(Dropped.MOVING)
        crop = found
    if crop.side * MAX_ENLARGEMENT < options.size:
        return record(Dropped.SMALL, crop)
    if _largest_change(shot, crop, size, small) < FROZEN_LEVELS:
        return record(Dropped.FROZEN, crop)
    return record(None, crop)


def face_share(name: str, face_px: float, options: PrepareOptions) -> float:
    """Height of a face over the side of its crop, for a shot of this name the same in every run.

    A small face gets a smaller share if the crop would otherwise be enlarged too much.
    """
    smallest, largest = FACE_SHARES
    drawn = smallest * (largest / smallest) ** (name_hash(name) / 2**64)
    return min(drawn, max(smallest, face_px * MAX_ENLARGEMENT / options.size))


def face_crop(boxes: Sequence[Box], face_px: float, share: float, size: Size) -> Crop | None:
    """A square around all places of a face, inside of a picture of (width, height).

    ``face_px`` is the face's usual height, and ``share`` that height over the side of the square
    if the picture and the face's motion allow it. None if the face moves too far for a crop.
    """
    width, height = size
    left = max(0.0, min(box.x for box in boxes))
    top = max(0.0, min(box.y for box in boxes))
    right = min(float(width), max(box.x + box.width for box in boxes))
    bottom = min(float(height), max(box.y + box.height for box in boxes))
    reach = max(right - left, bottom - top)
    wanted = max(face_px / share, reach)
    side = min(round(wanted), *size)
    if reach > side + 1 or face_px < MIN_FACE_SHARE * side:
        return None
    x = min(max(round((left + right - side) / 2), 0), width - side)
    y = min(max(round((top + bottom - side) / 2), 0), height - side)
    return Crop(x, y, side)


def _kept(first: int, end: int, options: PrepareOptions) -> int:
    """How many frames of a run are kept."""
    kept = -(-(end - first) // options.stride)
    return kept if options.max_frames_per_shot is None else min(kept, options.max_frames_per_shot)


def _largest_change(shot: Shot, crop: Crop, size: Size, small: Size) -> float:
    """Range of luma over time in the cell of the crop that changes most, 8-bit levels."""
    changes = shot.high - shot.low
    rows, columns = changes.shape
    across, down = small[0] / size[0] / CELL, small[1] / size[1] / CELL
    top, left = min(int(crop.y * down), rows - 1), min(int(crop.x * across), columns - 1)
    bottom = int(np.ceil((crop.y + crop.side) * down))
    right = int(np.ceil((crop.x + crop.side) * across))
    return float(changes[top : max(bottom, top + 1), left : max(right, left + 1)].max())
