"""Records of a source and its shots, as in the journal and the manifest."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from enum import StrEnum
from typing import Any

Json = dict[str, Any]


class Dropped(StrEnum):
    """Why a shot is not used."""

    BLANK = "blank"
    FROZEN = "frozen"
    SHORT = "too short"
    SMALL = "too small"
    NO_FACE = "no face"
    UNSTEADY = "no steady face"
    MOVING = "face moves too far"
    HELD_OUT = "photograph of somebody in validation"


@dataclass(frozen=True)
class Crop:
    """A square: its upper left corner and its side, in upright, square source pixels."""

    x: int
    y: int
    side: int


@dataclass(frozen=True)
class ShotRecord:
    """One shot.

    Attributes:
        start, count: its frames in the source.
        first: the first frame that is kept.
        kept: how many are kept, stride applied, or how many frames a photograph becomes; 0 if
            it is dropped.
        crop: where; None if it was dropped before that was decided.
        face_px: height of the face, source pixels; None if there is none.
        dropped: why it is not used, None if it is.
    """

    start: int
    count: int
    first: int
    kept: int
    crop: Crop | None
    face_px: float | None
    dropped: Dropped | None


@dataclass(frozen=True)
class SourceRecord:
    """One source that is finished.

    Attributes:
        name, size_bytes: see `sources.Source`.
        identity, weight, split: see `labels.Label`.
        width, height: upright, square pixels; 0 if it is unreadable.
        frames: decoded frames.
        duration_s: seconds of them.
        fps: frames per second, None if the source does not say.
        error: why it could not be read, None if it could.
        warnings: what the reader had to mend.
        shots: all of them.
        clips: their entries in the shard's index.
    """

    name: str
    size_bytes: int
    identity: str
    weight: float
    split: str
    width: int = 0
    height: int = 0
    frames: int = 0
    duration_s: float = 0.0
    fps: float | None = None
    error: str | None = None
    warnings: tuple[str, ...] = ()
    shots: tuple[ShotRecord, ...] = ()
    clips: tuple[Json, ...] = ()

    def to_json(self) -> Json:
        """A JSON object."""
        return asdict(self)

    @classmethod
    def from_json(cls, value: Json) -> SourceRecord:
        """The inverse of `to_json`.

        Raises:
            KeyError, TypeError, ValueError: it is none.
        """
        shots = tuple(
            ShotRecord(
                **{
                    **shot,
                    "crop": Crop(**shot["crop"]) if shot["crop"] else None,
                    "dropped": Dropped(shot["dropped"]) if shot["dropped"] else None,
                }
            )
            for shot in value["shots"]
        )
        record = cls(**value)
        return replace(
            record, shots=shots, warnings=tuple(record.warnings), clips=tuple(record.clips)
        )
