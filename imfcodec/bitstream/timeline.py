"""Frame numbers and timestamps that packets imply, tracked alike by writer and reader."""

from __future__ import annotations

from fractions import Fraction


class Timeline:
    """Where the stream stands: the last key frame and the frame expected next.

    Regular timing puts frame n at

        anchor_pts + floor((n - anchor_frame) * nominal_duration + 1/2)

    where the anchor is the last key frame; before any key frame it is frame 0 at pts 0. The
    sum is never carried from frame to frame, so that a lost packet shifts no later frame.

    Attributes:
        next_frame: Number of the frame expected next, from 0.
        nominal_floor: Whole ticks of the nominal duration, the step of irregular timing.
    """

    def __init__(self, nominal_duration: Fraction) -> None:
        self._numerator = nominal_duration.numerator
        self._denominator = nominal_duration.denominator
        self._anchor_frame = 0
        self._anchor_pts = 0
        self.next_frame = 0
        self.nominal_floor = self._numerator // self._denominator

    def nominal_pts(self, frame_number: int) -> int:
        """Timestamp of a frame by regular timing, in ticks of the video time base."""
        twice = 2 * (frame_number - self._anchor_frame) * self._numerator
        return self._anchor_pts + (twice + self._denominator) // (2 * self._denominator)

    def unwrap(self, low_bits: int) -> int:
        """Smallest frame number from `next_frame` on that ends in these 8 bits."""
        return self.next_frame + (low_bits - self.next_frame) % 256

    def anchor(self, frame_number: int, pts: int) -> None:
        """Passes a key frame, from which regular timing counts onward."""
        self._anchor_frame = frame_number
        self._anchor_pts = pts
        self.next_frame = frame_number + 1

    def pass_frames(self, first_frame: int, count: int) -> None:
        """Passes the frames of a token packet."""
        self.next_frame = first_frame + count
