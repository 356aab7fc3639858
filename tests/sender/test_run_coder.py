"""Frames to packets of AV1 runs."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from imfcodec.bitstream import RunPacket
from imfcodec.codec.pictures.av1_video import VideoDecoder
from imfcodec.codec.stages import StageTimes
from imfcodec.sender import run_coder
from imfcodec.sender.rate import SegmentSettings
from imfcodec.sender.run_coder import RunCoder, RunSettings, hold_of
from imfcodec.sender.source_frame import SourceFrame
from tests.conftest import moving_picture


def coder_of(fps: int, crf: int = 30) -> RunCoder:
    settings = RunSettings(10, hold_of(Fraction(fps)), Fraction(1, fps), Fraction(fps))
    return RunCoder(settings, lambda segment: SegmentSettings(crf), StageTimes())


def runs(coder: RunCoder, frames: list[SourceFrame], cuts: tuple[int, ...] = ()) -> list[RunPacket]:
    out = [p for f in frames for p in coder.push(f, cut=f.number in cuts)]
    out += coder.flush()
    assert not list(coder.flush())
    assert [pts for p in out for pts in p.pts] == [f.pts for f in frames]
    first = 0
    for packet in out:
        assert packet.first_frame == first
        first += len(packet.pts)
    return out


def moving(count: int) -> list[SourceFrame]:
    return [SourceFrame(n, n, moving_picture(n)) for n in range(count)]


@pytest.mark.parametrize(
    ("fps", "hold"), [(1, 1), (10, 1), (24, 1), (25, 2), (30, 2), (60, 4), (120, 8), (2400, 8)]
)
def test_pictures_are_held(fps: int, hold: int) -> None:
    assert hold_of(Fraction(fps)) == hold
    packets = runs(coder_of(fps, crf=1), moving(11))
    assert {p.hold for p in packets} == {hold}
    pictures = list(map(VideoDecoder(64, 64).decode, [unit for p in packets for unit in p.units]))
    shown = [picture for picture in pictures for _ in range(hold)][:11]
    for n, picture in enumerate(shown):
        assert np.abs(picture.astype(int) - moving_picture(n - n % hold)).mean() < 8


def test_packets_are_as_long_as_time_allows() -> None:
    packets = runs(coder_of(10), moving(70))
    assert [len(p.pts) for p in packets] == [30, 30, 10]
    assert [p.begins for p in packets] == [True, False, False]
    irregular = [SourceFrame(n, 2 * n + 20 * (n // 7), moving_picture(n)) for n in range(21)]
    assert [len(p.pts) for p in runs(coder_of(10), irregular)] == [7, 7, 7]


@pytest.mark.parametrize(("count", "cuts"), [(40, (13,)), (40, (0, 13, 14, 39)), (31, ())])
def test_a_run_ends_at_a_cut(count: int, cuts: tuple[int, ...]) -> None:
    packets = runs(coder_of(10), moving(count), cuts)
    assert [p.first_frame for p in packets if p.begins] == sorted({0, *cuts})


def test_a_run_ends_after_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    begun = [p.first_frame for p in runs(coder_of(2), moving(70)) if p.begins]
    assert begun == [0, 40]
    monkeypatch.setattr(run_coder, "RUN_BYTES", 5 * 64 * 64 * 3)
    begun = [p.first_frame for p in runs(coder_of(25), moving(25)) if p.begins]
    assert begun == [0, 9, 18]


def test_held_frames_take_no_memory() -> None:
    coder = coder_of(50)
    for frame in moving(12):
        assert not list(coder.push(frame, cut=False))
    assert len({id(frame.picture) for frame in coder._frames}) == 3


def test_packets_keep_the_limits_of_the_format(monkeypatch: pytest.MonkeyPatch) -> None:
    still = moving_picture(0)
    frames = [SourceFrame(n, n, still) for n in range(4200)]
    assert [len(p.pts) for p in runs(coder_of(2400), frames)] == [4096, 104]
    monkeypatch.setattr(run_coder, "PACKET_BYTES", 300)
    packets = runs(coder_of(10, crf=1), moving(25))
    assert len(packets) > 2
    for packet in packets:
        assert sum(map(len, packet.units)) <= 300 or len(packet.units) == 1
