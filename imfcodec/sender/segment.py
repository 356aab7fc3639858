"""The sender's unit: frames in display order, and the key frame that ends them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum, auto

from imfcodec.sender.source_frame import SourceFrame


class KeyKind(Enum):
    """What a key frame is coded from."""

    INDEPENDENT = auto()
    """Nothing: it can become a base."""
    PREDICTED = auto()
    """The last independent one, its base."""


class Lead(Enum):
    """Which frames of a segment are rebuilt from the key frame that ends it."""

    NOTHING = auto()
    """None: they follow the key frame before."""
    LATER = auto()
    """The later ones, from where that is better."""
    ALL = auto()
    """All: with them a shot begins."""


@dataclass(frozen=True)
class Segment:
    """Consecutive frames, and the key frame after them.

        last key ─ 1 ─ 2 ─ ... ─ n ─ key

    A planner makes segments and knows nothing of bytes; the segment coder makes packets of them and
    knows nothing of modes.

    Attributes:
        frames: Frames before the key frame, after the key frame of an earlier segment.
        key: The key frame; None if there is none yet.
        kind: What it is to be coded from.
        lead: Which of the frames it leads.
    """

    frames: Sequence[SourceFrame]
    key: SourceFrame | None = None
    kind: KeyKind = KeyKind.INDEPENDENT
    lead: Lead = Lead.NOTHING
