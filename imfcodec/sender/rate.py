"""Rate control: bits so far -> settings of the next segment."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Protocol


@dataclass(frozen=True)
class SegmentSettings:
    """What may change from segment to segment.

    Attributes:
        key_crf: AV1 quality (CRF) of an independent key picture, 1 (best) to 63. A predicted one
            follows from its base's.
    """

    key_crf: int


class RateControl(Protocol):
    """Chooses the settings of one segment after the other."""

    def next(self, spent_bytes: int, time_s: Fraction) -> SegmentSettings:
        """Settings of the next segment.

        Args:
            spent_bytes: Bytes of the stream so far without its sound.
            time_s: When the segment begins, in seconds from the beginning of the stream.
        """
        ...


@dataclass(frozen=True)
class ConstantQuality:
    """The same settings for every segment.

    Attributes:
        settings: These.
    """

    settings: SegmentSettings

    def next(self, spent_bytes: int, time_s: Fraction) -> SegmentSettings:
        """See `RateControl.next`."""
        return self.settings
