"""Which frame is made the key frame."""

from __future__ import annotations

import io
from itertools import pairwise

import numpy as np
import pytest

from imfcodec.bitstream import KeyPacket, PredictedKeyPacket, StreamReader
from imfcodec.config import NO_LIMIT_S, EncodeOptions
from imfcodec.receiver.decoder import Decoder
from imfcodec.sender import encode
from imfcodec.sender.planning import planner
from imfcodec.sender.planning.key_choice import best_key, cells_of, most_typical
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


def test_the_most_typical_frame_is_like_most() -> None:
    still, blink, turned = (np.full(64, level, np.float32) for level in (0, -9, 9))
    frames = np.stack([blink, turned, still, turned, still])
    assert most_typical(frames, range(5)) == 2
    assert most_typical(frames, range(3, 5)) == 4
    assert most_typical(frames, range(2)) == 1


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
        layout="whole",
        mode="imf",
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


TWO_SCENES = [*[8] * 2, *[0] * 8, *[100] * 2, *[108] * 9, *[116] * 5]
"""Pictures by number; the second scene, inverted, begins at the tenth frame."""


def test_a_scene_begins_with_a_key_frame_that_is_like_its_first_ones(
    tmp_path, tiny_weights
) -> None:
    first, second = key_packets(tmp_path, tiny_weights, keyframe_interval_s=13 / 25)[:2]
    assert len(first.lead) == first.frame_number
    assert 2 <= first.frame_number < 10
    assert len(second.lead) == second.frame_number - 10
    assert 2 <= second.frame_number - 10 < 11


def test_it_is_chosen_among_as_many_as_can_wait(tmp_path, tiny_weights, monkeypatch) -> None:
    monkeypatch.setattr(planner, "PENDING_FRAMES", 3)
    first = key_packets(tmp_path, tiny_weights, keyframe_interval_s=13 / 25)[0]
    assert len(first.lead) == first.frame_number < 2


def test_an_interval_is_the_mean_distance_of_key_frames(tmp_path, tiny_weights) -> None:
    """Over more than is planned at once."""
    numbers = [
        [k.frame_number for k in key_packets(tmp_path, tiny_weights, keyframe_interval_s=s / 25)]
        for s in (2, 4, 13)
    ]
    # Ten frames of the one scene, sixteen of the other. Some are worth no more key frames, and the
    # last frame of all gets none of its own.
    counts = [(sum(n < 10 for n in each), sum(n >= 10 for n in each)) for each in numbers]
    assert counts[0] == (5, 7)
    assert counts[1] in ((2, 4), (3, 4))
    assert counts[2] == (1, 2)


@pytest.mark.parametrize(
    "fixed", [{"look_ahead": False}, {"choose_keys": False}, {"latency": "low"}]
)
def test_a_scene_begins_with_its_first_frame_otherwise(fixed, tmp_path, tiny_weights) -> None:
    keys = key_packets(tmp_path, tiny_weights, keyframe_interval_s=NO_LIMIT_S, **fixed)
    assert [(k.frame_number, len(k.lead)) for k in keys] == [(0, 0), (10, 0)]


def key_packets(folder, weights, **options) -> list[KeyPacket | PredictedKeyPacket]:
    """Of `TWO_SCENES`, all frames of which come back."""
    video = folder / "scenes.mkv"
    pictures = [moving_picture(n % 100) for n in TWO_SCENES]
    write_video(
        video, [p if n < 100 else 255 - p for n, p in zip(TWO_SCENES, pictures, strict=True)]
    )
    file = io.BytesIO()
    encode(
        video,
        file,
        EncodeOptions(
            weights=weights, audio="none", layout="whole", mode="imf", refine=0, **options
        ),
    )
    frames = list(Decoder(io.BytesIO(file.getvalue())))
    assert [f.number for f in frames] == list(range(len(TWO_SCENES)))
    assert not any(f.lost for f in frames)
    # Nothing is rebuilt from a key frame of another scene.
    assert all((f.key >= 10) == (f.number >= 10) for f in frames)
    packets = StreamReader(io.BytesIO(file.getvalue()))
    return [p for p in packets if isinstance(p, KeyPacket | PredictedKeyPacket)]
