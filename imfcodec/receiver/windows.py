"""The windows of a stream: their packets wait until the base comes to their frames."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from typing import Final

from imfcodec.arrays import Picture
from imfcodec.bitstream import (
    KeyPacket,
    LayerPacket,
    PredictedKeyPacket,
    TokenPacket,
    Window,
    WindowEnd,
    frame_pts,
)
from imfcodec.codec.upcoming import Upcoming
from imfcodec.errors import CorruptStream, LimitExceeded
from imfcodec.receiver.layer_decoder import LayerDecoder

MAX_WAITING_BYTES: Final = 4 << 20
"""Packets of a layer that wait for the base hold at most so many bytes ..."""

MAX_WAITING: Final = 4096
"""... and are at most so many."""


class WindowTrack:
    """The window of one layer.

    Whatever is lost here costs the window alone: the base is then shown without it.
    """

    def __init__(
        self, decoder_of: Callable[[int], LayerDecoder], complain: Callable[[str], None]
    ) -> None:
        """Set up.

        Args:
            decoder_of: Makes the decoder of a window with this coded side in pixels.
            complain: Takes a line for each damaged place.
        """
        self._decoder_of, self._complain = decoder_of, complain
        self._waiting: deque[LayerPacket] = deque()
        self._waiting_bytes = 0
        self._decoder: LayerDecoder | None = None
        self._coded_side = 0  # of the decoder
        self._window: Window | None = None
        self._pictures: Iterator[Upcoming[Picture]] = iter(())
        self._next, self._end = 0, 0  # frames that the pictures are of
        self._expected: int | None = None  # the next frame; None where a key packet has to come

    def push(self, packet: LayerPacket) -> None:
        """Take the layer's next packet."""
        self._waiting.append(packet)
        self._waiting_bytes += _size_bytes(packet)
        while len(self._waiting) > MAX_WAITING or self._waiting_bytes > MAX_WAITING_BYTES:
            self._complain(f"window {packet.layer}: too many packets wait for the base")
            self._pop()
            self.lose()

    def lose(self) -> None:
        """Note that packets were lost."""
        if self._decoder:
            self._decoder.lose()

    def at(self, number: int) -> tuple[Window, Upcoming[Picture]] | None:
        """The window in a frame, and its picture, uint8 RGB [n, n, 3] at coded size.

        Args:
            number: Of the frame; numbers never fall.
        """
        while self._end <= number and self._waiting:
            if self._waiting[0].packet.first_frame > number:
                return None
            self._open(self._pop())
        if self._window is None or not self._next <= number < self._end:
            return None
        for _ in range(number - self._next):
            next(self._pictures)
        self._next = number + 1
        return self._window, next(self._pictures)

    def _pop(self) -> LayerPacket:
        packet = self._waiting.popleft()
        self._waiting_bytes -= _size_bytes(packet)
        return packet

    def _open(self, packet: LayerPacket) -> None:
        """Begin with the pictures of a packet; earlier ones are not shown any more."""
        inner, first = packet.packet, packet.packet.first_frame
        expected = first if self._expected is None else self._expected
        if first > expected and not isinstance(inner, KeyPacket):  # only those may skip frames
            self._complain(f"window {packet.layer}, frames {expected} to {first - 1}: lost")
        if isinstance(inner, WindowEnd):
            self._close(first)
            return
        self._expected = first + len(frame_pts(inner))
        try:
            decoder = self._decoder_for(packet)
            if decoder.lacks(inner):
                raise CorruptStream("depends on lost packets")
            self._pictures = decoder.take(inner)
        except (CorruptStream, LimitExceeded) as error:
            self._complain(f"window {packet.layer}, frames from {first}: {error}")
            return
        self._window = packet.window or self._window
        self._next, self._end = first, first + len(frame_pts(inner))

    def _close(self, number: int) -> None:
        """Note that the window ends before this frame, unless this is said too late."""
        if self._decoder and number > self._decoder.key_number:
            self._decoder.forget()
            self._expected = None

    def _decoder_for(self, packet: LayerPacket) -> LayerDecoder:
        window = packet.window
        if window is not None and window.coded_side != self._coded_side:
            if isinstance(packet.packet, PredictedKeyPacket):
                raise CorruptStream("a predicted key frame of another size than its base")
            self._decoder = self._decoder_of(window.coded_side)
            self._coded_side = window.coded_side
        if self._decoder is None:
            raise CorruptStream("depends on lost packets")
        return self._decoder


def _size_bytes(packet: LayerPacket) -> int:
    match packet.packet:
        case WindowEnd():
            return 0
        case TokenPacket(payload=payload):
            return len(payload)
        case inner:
            return len(inner.token) + len(inner.picture)
