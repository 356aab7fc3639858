"""Packets of one window, which wait for the base."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

from imfcodec.bitstream import (
    KeyPacket,
    LayerPacket,
    PredictedKeyPacket,
    TokenPacket,
    VideoPacket,
    Window,
    WindowEnd,
    frame_pts,
)
from imfcodec.receiver.windows import WindowTrack

WINDOW = Window(0, 0, 64, 64)


class FakeDecoder:
    """Gives the number of each frame as its picture; it lacks nothing but a key frame."""

    def __init__(self, side: int) -> None:
        self.side, self.key_number, self.holds = side, -1, False

    def lose(self) -> None:
        pass

    def forget(self) -> None:
        self.holds = False

    def lacks(self, packet: VideoPacket) -> bool:
        return not isinstance(packet, KeyPacket) and not self.holds

    def take(self, packet: VideoPacket) -> Iterator[np.ndarray]:
        self.holds = True
        if not isinstance(packet, TokenPacket):
            self.key_number = packet.frame_number
        first = packet.first_frame
        return (np.array(n) for n in range(first, first + len(frame_pts(packet))))


def key(number: int, lead: int = 0, side: int = 64) -> LayerPacket:
    packet = KeyPacket(number, number, b"", b"", b"c", tuple(range(number - lead, number)))
    return LayerPacket(1, packet, Window(0, 0, 64, side))


def tokens(first: int, count: int) -> LayerPacket:
    return LayerPacket(1, TokenPacket(first, tuple(range(first, first + count)), b""))


def predicted(number: int) -> LayerPacket:
    return LayerPacket(1, PredictedKeyPacket(number, number, 0, b"", b""))


def end(number: int) -> LayerPacket:
    return LayerPacket(1, WindowEnd(number))


def shown(packets: list[LayerPacket], count: int) -> tuple[list[int], list[str]]:
    """Frames that show the window, and what there is to complain about."""
    lines: list[str] = []
    track = WindowTrack(FakeDecoder, lines.append)  # type: ignore[arg-type]
    for packet in packets:
        track.push(packet)
    out = []
    for n in range(count):
        if found := track.at(n):
            assert found[1] == n
            out.append(n)
    return out, lines


@pytest.mark.parametrize(
    ("packets", "frames", "lines"),
    [
        ([key(2, 2), tokens(3, 3)], [0, 1, 2, 3, 4, 5], []),
        ([key(3, 1), tokens(4, 2), end(6), key(8)], [2, 3, 4, 5, 8], []),
        ([key(0), key(4)], [0, 4], []),  # key packets may skip frames
        ([key(0), tokens(3, 2)], [0, 3, 4], ["window 1, frames 1 to 2: lost"]),
        ([key(0), predicted(3)], [0, 3], ["window 1, frames 1 to 2: lost"]),
        ([key(0), end(3)], [0], ["window 1, frames 1 to 2: lost"]),
        ([key(0), end(1), end(4), key(5)], [0, 5], []),
        ([tokens(3, 2), key(5)], [5], ["window 1, frames from 3: depends on lost packets"]),
        (
            # The key packet after the end was lost: nothing from before it may stand in.
            [key(0), tokens(1, 2), end(3), predicted(6), tokens(7, 1)],
            [0, 1, 2],
            [f"window 1, frames from {n}: depends on lost packets" for n in (6, 7)],
        ),
        ([key(2), end(1), tokens(3, 2)], [2, 3, 4], []),  # an end that comes late
        ([key(0), tokens(1, 2), key(3, side=128), tokens(4, 1)], [0, 1, 2, 3, 4], []),
    ],
)
def test_frames_of_a_window(
    packets: list[LayerPacket], frames: list[int], lines: list[str]
) -> None:
    assert shown(packets, 10) == (frames, lines)


def test_the_base_may_skip_frames() -> None:
    track = WindowTrack(FakeDecoder, pytest.fail)  # type: ignore[arg-type]
    for packet in (key(0), tokens(1, 9), end(10)):
        track.push(packet)
    for n in (0, 5, 6, 9):
        found = track.at(n)
        assert found
        assert found[1] == n
    assert track.at(30) is None
