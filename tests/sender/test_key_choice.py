"""Which frame is made the key frame."""

from __future__ import annotations

import io
from itertools import pairwise

import numpy as np
import pytest

from imfcodec.bitstream import KeyPacket, PredictedKeyPacket, StreamReader
from imfcodec.config import EncodeOptions
from imfcodec.sender import encode
from imfcodec.sender.key_choice import best_key, cells_of
from tests.conftest import moving_picture
from tests.training.test_prepare import write_video


def test_a_blink_is_no_key_frame() -> None:
    still = np.zeros(64, np.float32)
    blink = still.copy()
    blink[:4] = 40.0
    moved = still + 5.0
    frames = np.stack([still, still, blink, moved, moved, blink, moved, moved])
    assert best_key(still, frames, 2) == 3


def test_what_does_not_move_takes_the_first_candidate() -> None:
    assert best_key(np.zeros(4, np.float32), np.zeros((9, 4), np.float32), 4) == 4


def test_looking_ahead_a_key_frame_serves_both_sides() -> None:
    """Frames before it that are like it count as served; without that they would be lost."""
    still, turned = np.zeros(64, np.float32), np.full(64, 9.0, np.float32)
    frames = np.stack([turned, turned, turned, turned, still, still, still, still])
    assert best_key(still, frames, 2) == 4
    assert best_key(still, frames, 2, look_ahead=True) in (2, 3)


def test_cells_are_means() -> None:
    picture = np.zeros((8, 12, 3), np.uint8)
    picture[:4, 4:8] = 255
    assert cells_of(picture) == pytest.approx([0, 255, 0, 0, 0, 0], abs=1e-3)


def test_a_stream_renews_its_key_frame_in_the_later_half(tmp_path, tiny_weights) -> None:
    """Never later than the interval, and every frame is there once, in order."""
    video = tmp_path / "a.mkv"
    shown = [0] * 7 + [6, 6, 60, 6, 6, 6] + [12] * 17  # frame 9 looks like no other
    write_video(video, [moving_picture(n) for n in shown])
    file = io.BytesIO()
    options = EncodeOptions(
        weights=tiny_weights,
        keyframe_interval_s=10 / 25,
        scene_cut=False,
        audio="none",
        look_ahead=False,
    )
    encode(video, file, options)
    packets = list(StreamReader(io.BytesIO(file.getvalue())))
    keys = [p.frame_number for p in packets if isinstance(p, KeyPacket | PredictedKeyPacket)]
    assert keys[:2] == [0, 7]
    assert all(5 <= b - a <= 10 for a, b in pairwise(keys))
    frames = []
    for packet in packets:
        if isinstance(packet, KeyPacket | PredictedKeyPacket):
            frames.append(packet.frame_number)
        elif hasattr(packet, "first_frame"):
            frames += range(packet.first_frame, packet.first_frame + len(packet.pts))
    assert frames == list(range(len(shown)))
