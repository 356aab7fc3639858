"""Frames to packets of AV1 runs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from itertools import chain

import numpy as np
import pytest
import torch
from torch import Tensor

from imfcodec.arrays import Picture
from imfcodec.bitstream import RunPacket
from imfcodec.codec.stages import StageTimes
from imfcodec.sender import runs as runs_module
from imfcodec.sender.judge import Judge
from imfcodec.sender.plain_video import PlainVideo, bytes_of
from imfcodec.sender.rate import SegmentSettings
from imfcodec.sender.run_coder import RunCoder
from imfcodec.sender.runs import RunSettings, coded_run, hold_of
from imfcodec.sender.source_frame import SourceFrame
from tests.conftest import moving_picture


class Eye(Judge):
    """Sees the mean distance of levels."""

    def __init__(self) -> None:
        pass

    def look(self, picture: Picture) -> Tensor:
        return torch.from_numpy(picture.astype(np.float32))

    def restored(self, picture: Picture, restoration: int) -> Picture:
        return picture

    @staticmethod
    def distance(look: Tensor, source: Tensor) -> float:
        return float((look - source).abs().mean())


class Spoiler(Eye):
    """Restoring spoils pictures."""

    def restored(self, picture: Picture, restoration: int) -> Picture:
        assert restoration == 0
        return picture ^ 255


def coder_of(
    fps: int, crf: int = 30, *, carefully: bool = True, judge: Judge | None = None
) -> RunCoder:
    settings = RunSettings(10, Fraction(1, fps), Fraction(fps))
    rate = SegmentSettings(crf)
    judge = judge or Eye()
    return RunCoder(settings, lambda segment: rate, judge, StageTimes(), carefully=carefully)


def runs(
    coder: RunCoder,
    frames: list[SourceFrame],
    cuts: tuple[int, ...] = (),
    windows: tuple[int, ...] = (),
) -> list[RunPacket]:
    pushed = (coder.push(f, cut=f.number in cuts, windows=f.number in windows) for f in frames)
    out = list(chain.from_iterable(pushed))
    out += coder.flush()
    assert not list(coder.flush())
    assert [pts for p in out for pts in p.pts] == [f.pts for f in frames]
    first = 0
    for packet in out:
        assert packet.first_frame == first
        first += len(packet.pts)
    return out


def video_of(
    frames: list[SourceFrame], fps: int, advance: Callable[[float], None] = lambda frames: None
) -> PlainVideo:
    settings = RunSettings(10, Fraction(1, fps), Fraction(fps))
    return PlainVideo(frames, settings, Eye(), advance, restores=True)


def picture_of_blocks() -> Picture:
    blocks = np.random.default_rng(2).integers(0, 256, (8, 8, 3), np.uint8)
    return blocks.repeat(8, 0).repeat(8, 1)


def moving(count: int) -> list[SourceFrame]:
    return [SourceFrame(n, n, moving_picture(n)) for n in range(count)]


@pytest.mark.parametrize(
    ("fps", "hold"), [(1, 1), (10, 1), (24, 1), (25, 2), (30, 2), (60, 4), (120, 9), (2400, 32)]
)
def test_pictures_are_held(fps: int, hold: int) -> None:
    assert hold_of(Fraction(fps)) == hold
    frames = moving(40)
    settings = RunSettings(10, Fraction(1, fps), Fraction(fps), hold)
    packets = coded_run(frames, 30, settings)
    assert {p.hold for p in packets} == {hold}
    shown = list(video_of(frames, fps).shown(packets))
    assert len(shown) == len(frames)
    for n, picture in enumerate(shown):
        assert np.abs(picture.astype(int) - moving_picture(n - n % hold)).mean() < 8


def test_what_moves_has_all_pictures_and_what_stands_still_few() -> None:
    noise = np.random.default_rng(1).integers(0, 256, (64, 64, 3), np.uint8)
    still = [SourceFrame(n, n, noise) for n in range(50)]
    scrolls = [SourceFrame(n, n, np.roll(picture_of_blocks(), 3 * n, 1)) for n in range(50)]
    assert {p.hold for p in runs(coder_of(25, 1), scrolls)} == {1}
    assert {p.hold for p in runs(coder_of(25, 36), still)} != {1}


def test_sizes_fall_below_what_av1_can_do() -> None:
    frames = moving(100)
    sizes = [sum(map(bytes_of, runs(coder_of(25, crf), frames))) for crf in (38, 46, 56, 90)]
    assert sizes == sorted(set(sizes), reverse=True)
    assert max(p.hold for p in runs(coder_of(25, 90), frames)) == 32
    assert {p.hold for p in runs(coder_of(2, 90), frames)} == {2}  # a second


def test_quick_runs_are_about_as_large() -> None:
    quick, careful = (
        sum(map(bytes_of, runs(coder_of(25, carefully=carefully), moving(50))))
        for carefully in (False, True)
    )
    assert quick == pytest.approx(careful, rel=0.2)


def test_the_search_and_the_coding_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[float] = []
    video = video_of(moving(20), 25, told.append)
    size = video.size_bytes(60)
    best = video.best(size)
    assert best
    assert best.size_bytes <= size
    assert sum(told) == pytest.approx(0.3 * 20)
    video.careful(best)
    assert sum(told) == pytest.approx(1.3 * 20)
    assert video_of(moving(20), 25).best(20) is None


def test_careful_coding_keeps_to_the_room() -> None:
    video = video_of(moving(20), 25)
    best = video.best(video.size_bytes(50))
    assert best
    free = sum(map(bytes_of, video.careful(best)))
    for room in (free, free - 1, round(0.9 * free)):
        careful = video.careful(best, room)
        assert 0.6 * room < sum(map(bytes_of, careful)) <= room
    assert careful != best.packets
    assert video.careful(best, 20) == best.packets


def test_each_picture_is_restored_where_that_helps() -> None:
    packets = runs(coder_of(10), moving(70), cuts=(40,))
    assert [p.restores_each for p in packets] == [p.begins for p in packets] == [True, False, True]
    assert not any(p.restores_each for p in runs(coder_of(10, judge=Spoiler()), moving(70)))


def test_no_picture_is_restored_below_windows() -> None:
    packets = runs(coder_of(10), moving(20), cuts=(10,), windows=(4,))
    assert [p.restores_each for p in packets] == [False, True]


def test_quick_runs_are_restored_unless_they_are_fine() -> None:
    for crf, each in ((30, True), (0, False)):
        (packet,) = runs(coder_of(10, crf - 32, carefully=False), moving(10))
        assert packet.restores_each == each


def test_what_restored_pictures_look_like() -> None:
    frames, settings = moving(6), RunSettings(10, Fraction(1, 10), Fraction(10), 2, 0, True)
    packets = coded_run(frames, 30, settings)
    plain = [replace(packets[0], restores_each=False)]
    video = PlainVideo(frames, settings, Spoiler(), lambda frames: None, restores=True)
    for every in (1, 4):
        shown = np.stack(list(video.shown(packets, every)))
        assert np.array_equal(shown ^ 255, np.stack(list(video.shown(plain))[::every]))


def test_packets_are_as_long_as_time_allows() -> None:
    packets = runs(coder_of(10), moving(70))
    assert [len(p.pts) for p in packets] == [30, 30, 10]
    assert [p.begins for p in packets] == [True, False, False]
    irregular = [SourceFrame(n, 2 * n + 20 * (n // 7), moving_picture(n)) for n in range(21)]
    assert [
        len(p.pts) for p in coded_run(irregular, 62, RunSettings(10, Fraction(1, 10), Fraction(10)))
    ] == [7, 7, 7]


@pytest.mark.parametrize(("count", "cuts"), [(40, (13,)), (40, (0, 13, 14, 39)), (31, ())])
def test_a_run_ends_at_a_cut(count: int, cuts: tuple[int, ...]) -> None:
    packets = runs(coder_of(10), moving(count), cuts)
    assert [p.first_frame for p in packets if p.begins] == sorted({0, *cuts})


def test_a_run_ends_after_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    begun = [p.first_frame for p in runs(coder_of(2), moving(130)) if p.begins]
    assert begun == [0, 120]
    monkeypatch.setattr(runs_module, "RUN_BYTES", 9 * 64 * 64 * 3)
    begun = [p.first_frame for p in runs(coder_of(25), moving(25)) if p.begins]
    assert begun == [0, 9, 18]


def test_packets_keep_the_limits_of_the_format(monkeypatch: pytest.MonkeyPatch) -> None:
    still = moving_picture(0)
    settings = RunSettings(10, Fraction(1, 2400), Fraction(2400), hold=8)
    frames = [SourceFrame(n, n, still) for n in range(4200)]
    assert [len(p.pts) for p in coded_run(frames, 62, settings)] == [4096, 104]
    monkeypatch.setattr(runs_module, "PACKET_BYTES", 300)
    packets = runs(coder_of(10, crf=1), moving(25))
    assert len(packets) > 2
    for packet in packets:
        assert sum(map(len, packet.units)) <= 300 or len(packet.units) == 1
