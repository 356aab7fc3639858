"""Records of a source and its shots, as in the journal and the manifest."""

from __future__ import annotations

from dataclasses import dataclass
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
        start, count: Its frames in the source.
        first: The first frame that is kept.
        kept: How many are kept, stride applied, or how many frames a photograph becomes; 0 if
            it is dropped.
        crop: Where; None if it was dropped before that was decided.
        face_px: Height of the face, source pixels; None if there is none.
        dropped: Why it is not used, None if it is.
    """

    start: int
    count: int
    first: int
    kept: int = 0
    crop: Crop | None = None
    face_px: float | None = None
    dropped: Dropped | None = None

    @classmethod
    def from_json(cls, value: Json) -> ShotRecord:
        """The inverse of `dataclasses.asdict`."""
        crop, dropped = value["crop"], value["dropped"]
        return cls(
            **value | {"crop": crop and Crop(**crop), "dropped": dropped and Dropped(dropped)}
        )


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

    @classmethod
    def from_json(cls, value: Json) -> SourceRecord:
        """The inverse of `dataclasses.asdict`.

        Raises:
            KeyError, TypeError, ValueError: it is none.
        """
        shots = tuple(map(ShotRecord.from_json, value["shots"]))
        tuples = {"warnings": tuple(value["warnings"]), "clips": tuple(value["clips"])}
        return cls(**value | {"shots": shots} | tuples)
