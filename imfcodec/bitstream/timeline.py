"""Frame numbers and timestamps that packets imply; writer and reader derive the same."""

from __future__ import annotations

from copy import copy
from fractions import Fraction

from imfcodec.bitstream.packets import (
    BasePacket,
    KeyPacket,
    PredictedKeyPacket,
    RunPacket,
    TokenPacket,
)

LATE = 128
"""A packet comes late by fewer frames than this; nearer ahead, others were lost."""


class Timeline:
    """State of the stream: the anchor of its timing and the next frame number.

    Regular timing puts frame n at

        anchor_pts + floor((n - anchor_frame) * nominal_duration + 1/2)

    where the anchor is the last key frame or the first frame of the last run, whichever is later,
    or frame 0 at pts 0 before any of them. The sum is never carried from frame to frame, so that a
    lost packet shifts no later frame. For the same reason, the timing of a predicted key frame
    counts from its base. If that timing is regular, the base remains the anchor, as the predicted
    key frame's pts is rounded.

    Attributes:
        next_frame: Number of the next frame, from 0.
        key_frame: Number of the last key frame, predicted or not; undefined in and after a run.
        nominal_floor: Whole ticks of the nominal duration, the step of irregular timing.
    """

    def __init__(self, nominal_duration: Fraction) -> None:
        self._numerator = nominal_duration.numerator
        self._denominator = nominal_duration.denominator
        self._base = self._anchor = (0, 0)
        self._gap = (0, 0)  # last range of skipped frame numbers: first, end
        self.next_frame = 0
        self.key_frame = 0
        self.nominal_floor = self._numerator // self._denominator

    def nominal_pts(self, frame_number: int) -> int:
        """Timestamp of a frame by regular timing, in ticks of the video time base."""
        return self._regular_pts(self._anchor, frame_number)

    def nominal_key_pts(self, frame_number: int) -> int:
        """Timestamp of a predicted key frame by regular timing."""
        return self._regular_pts(self._base, frame_number)

    def unwrap(self, low_bits: int, lead: int = 0) -> int:
        """Frame number with these low 8 bits.

        It is the smallest one that is not below `next_frame` + ``lead``. If that is `LATE` or more
        frames ahead and the number 256 below it lies in the last gap, the packet comes late.
        ``lead`` is the number of leading frames before the frame.
        """
        first = self.next_frame + lead
        number = first + (low_bits - first) % 256
        late = number - 256
        is_late = number - first >= LATE and self._gap[0] + lead <= late < self._gap[1]
        return late if is_late else number

    def anchored(self, frame_number: int, pts: int) -> Timeline:
        """A copy whose anchor is a frame."""
        timeline = copy(self)
        timeline.anchor(frame_number, pts)
        return timeline

    def pass_packet(self, packet: BasePacket) -> None:
        """Passes the frames of a packet; a key frame becomes the anchor as its timing asks."""
        match packet:
            case KeyPacket():
                self.anchor(packet.frame_number, packet.pts)
            case PredictedKeyPacket():
                self.pass_predicted_key(packet.frame_number, packet.pts, len(packet.lead))
            case RunPacket():
                if packet.begins:
                    self.anchor(packet.first_frame, packet.pts[0])
                self.pass_frames(packet.first_frame, len(packet.pts))
            case TokenPacket():
                self.pass_frames(packet.first_frame, len(packet.pts))

    def anchor(self, frame_number: int, pts: int) -> None:
        """Passes a key frame or the first frame of a run; regular timing then counts from it."""
        self._base = self._anchor = (frame_number, pts)
        self.key_frame = frame_number
        self._gap = (0, 0)
        self.next_frame = frame_number + 1

    def pass_predicted_key(self, frame_number: int, pts: int, lead: int = 0) -> None:
        """Passes a predicted key frame, which is an anchor only if its timing is irregular."""
        if frame_number < self.next_frame:
            return  # it comes late
        regular = pts == self.nominal_key_pts(frame_number)
        self._anchor = self._base if regular else (frame_number, pts)
        self.key_frame = frame_number
        self.pass_frames(frame_number - lead, lead + 1)

    def pass_frames(self, first_frame: int, count: int) -> None:
        """Passes the frames of a packet."""
        if first_frame > self.next_frame:
            self._gap = (self.next_frame, first_frame)
        self.next_frame = max(self.next_frame, first_frame + count)

    def _regular_pts(self, anchor: tuple[int, int], frame_number: int) -> int:
        anchor_frame, anchor_pts = anchor
        twice = 2 * (frame_number - anchor_frame) * self._numerator
        return anchor_pts + (twice + self._denominator) // (2 * self._denominator)
