"""Frames that are rebuilt from the key frame behind them."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

import imfcodec
from imfcodec.bitstream import Damage, KeyPacket, Packet, PredictedKeyPacket, StreamReader
from imfcodec.config import NO_LIMIT_S
from imfcodec.media import MediaWriter
from imfcodec.sender import EncodeReport
from tests.conftest import moving_picture

from .test_damage import survive
from .test_predicted_keys import frames_of, rewritten

TURN = 9
"""At this frame the picture jumps: what is behind it looks like the key frame to come."""


@pytest.fixture
def jumping_video(tmp_path: Path) -> Path:
    path = tmp_path / "jumping.mkv"
    rate = Fraction(25)
    with MediaWriter(path, width=64, height=64, time_base=1 / rate, rate=rate) as writer:
        for n in range(20):
            writer.write(n, moving_picture(n // 4 + 20 * (n >= TURN)))
    return path


def encoded(video: Path, weights: str, **options) -> tuple[EncodeReport, bytes]:
    file = io.BytesIO()
    fixed = {"key_crf": 30, "keyframe_interval_s": 0.5, "scene_cut": False, "choose_keys": False}
    fixed |= {"layout": "whole", "mode": "imf"}
    report = imfcodec.encode(video, file, **{"weights": weights, **fixed, **options})
    return report, file.getvalue()


@pytest.fixture
def stream(jumping_video: Path, tiny_weights: str) -> bytes:
    """Key frame 0 and one four frames behind the jump, with leading frames."""
    return encoded(jumping_video, tiny_weights)[1]


def packets(stream: bytes) -> list[Packet]:
    return [p for p in StreamReader(io.BytesIO(stream)) if not isinstance(p, Damage)]


def leading_key(stream: bytes) -> PredictedKeyPacket | KeyPacket:
    [key] = [p for p in packets(stream) if isinstance(p, KeyPacket | PredictedKeyPacket) and p.lead]
    return key


def test_what_is_behind_the_jump_waits_for_the_next_key_frame(stream: bytes) -> None:
    key = leading_key(stream)
    assert key.frame_number - len(key.lead) == TURN
    shown = frames_of(stream)
    assert [f.number for f in shown] == list(range(20))
    assert [f.pts for f in shown] == sorted({f.pts for f in shown})
    assert not any(f.lost for f in shown)


def test_the_report_is_what_the_receiver_sees(jumping_video: Path, tiny_weights: str) -> None:
    report, stream = encoded(jumping_video, tiny_weights, measure=True)
    errors = []
    for n, frame in enumerate(frames_of(stream)):
        source = moving_picture(n // 4 + 20 * (n >= TURN)).astype(np.float64)
        errors.append(-10 * np.log10(np.square((frame.rgb - source) / 255).mean()))
    assert report.psnr_db == pytest.approx(np.mean(errors), abs=0.7)  # the video is a lossy one


def test_without_look_ahead_there_are_none(jumping_video: Path, tiny_weights: str) -> None:
    for options in ({"look_ahead": False}, {"latency": "low"}, {"keyframe_interval_s": NO_LIMIT_S}):
        plain = packets(encoded(jumping_video, tiny_weights, **options)[1])
        keys = [p for p in plain if isinstance(p, KeyPacket | PredictedKeyPacket)]
        assert not any(key.lead for key in keys)


def test_a_lost_key_packet_takes_its_leading_frames_along(stream: bytes) -> None:
    key = leading_key(stream)

    def without(packet: Packet) -> Packet | None:
        return None if packet == key else packet

    data = rewritten(stream, without)
    assert survive(data)
    shown = frames_of(data)
    lost = [f.number for f in shown if f.lost]
    assert lost[: len(key.lead) + 1] == list(range(TURN, key.frame_number + 1))
    whole = frames_of(stream)
    for got, expected in zip(shown[:TURN], whole[:TURN], strict=True):
        assert np.array_equal(got.rgb, expected.rgb)


@pytest.mark.parametrize(
    "change",
    [
        lambda key: replace(key, lead=key.lead[1:]),  # frames more in the tokens than are named
        lambda key: replace(key, token=key.token[: len(key.token) // 2]),
        lambda key: replace(key, token=b"\xff" * len(key.token)),
    ],
)
def test_tokens_that_are_not_what_a_sender_writes(
    stream: bytes, change: Callable[[PredictedKeyPacket], PredictedKeyPacket]
) -> None:
    key = leading_key(stream)
    assert isinstance(key, PredictedKeyPacket)

    def changed(packet: Packet) -> Packet:
        return change(key) if packet == key else packet

    survive(rewritten(stream, changed))
