"""Whole pictures are coded in the way that is seen to be better."""

from __future__ import annotations

import dataclasses
import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import imfcodec
from imfcodec.bitstream import EndPacket, KeyPacket, RunPacket, StreamReader
from imfcodec.metrics.fidelity import psnr_rgb_db
from imfcodec.sender.judge import Judge
from imfcodec.sender.layout import better_of
from imfcodec.sender.layout.better_of import Way
from imfcodec.sender.plain_video import PlainVideo
from imfcodec.sender.report import EncodeReport
from imfcodec.weights import Weights
from tests.conftest import moving_picture
from tests.heads import OPTIONS, loaded_weights

Source = Callable[[int], list[np.ndarray]]

AUTO = dataclasses.replace(OPTIONS, layout="whole", key_crf=40, short_side=64)


@pytest.fixture(scope="module")
def loaded(tiny_folder: Path) -> Weights:
    return loaded_weights(tiny_folder)


def scrolling(count: int) -> list[np.ndarray]:
    """Noise that moves, uint8 [64, 64, 3] each: no token follows it."""
    noise = (
        np.random.default_rng(3).integers(0, 256, (16, 16, 3), np.uint8).repeat(8, 0).repeat(8, 1)
    )
    return [np.roll(noise, 4 * n, 0)[:64, :64] for n in range(count)]


def gliding(count: int) -> list[np.ndarray]:
    """A picture that moves little by little, uint8 [64, 64, 3] each."""
    return [moving_picture(n) for n in range(count)]


def encoded(
    loaded: Weights, mode: str, count: int = 30, source: Source = scrolling, **changes: Any
) -> tuple[bytes, EncodeReport]:
    file = io.BytesIO()
    options = dataclasses.replace(AUTO, mode=mode, **changes)
    with imfcodec.Encoder(file, width=64, height=64, options=options, loaded=loaded) as encoder:
        for picture in source(count):
            encoder.write(picture)
    return file.getvalue(), encoder.close()


def test_plain_video_where_tokens_cannot_follow(loaded: Weights) -> None:
    tokens, _ = encoded(loaded, "imf")
    stream, report = encoded(loaded, "auto", measure=True)
    assert report.coded_as == {"av1": 30}
    kinds = {type(p) for p in StreamReader(io.BytesIO(stream))}
    assert kinds == {RunPacket, EndPacket}
    assert len(stream) < 1.05 * len(tokens)
    decoder = imfcodec.Decoder(io.BytesIO(stream), loaded=loaded)
    pairs = list(zip((frame.rgb for frame in decoder), scrolling(30), strict=True))
    assert np.mean([np.abs(shown.astype(int) - picture).mean() for shown, picture in pairs]) < 40
    psnr_db = np.mean([psnr_rgb_db(shown, picture) for shown, picture in pairs])
    assert report.psnr_db == pytest.approx(psnr_db, abs=0.01)
    assert not decoder.report.damage


def test_tokens_where_plain_video_looks_worse(
    loaded: Weights, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Judge, "compare", lambda self, pictures, sources: [0.1] * len(pictures))
    stream, report = encoded(loaded, "auto", 20)
    assert report.coded_as == {"whole": 20}  # plain video counts more at equal error
    assert stream == encoded(loaded, "imf", 20)[0]


def test_care_lets_plain_video_win(loaded: Weights, monkeypatch: pytest.MonkeyPatch) -> None:
    """Plain video that was coded quickly seems to lie a fifth behind."""
    quickly = PlainVideo.first
    monkeypatch.setattr(Judge, "compare", lambda self, pictures, sources: [0.1] * len(pictures))
    monkeypatch.setattr(
        PlainVideo,
        "best",
        lambda self, room, rival: dataclasses.replace(quickly(self, room), error=0.12),
    )
    monkeypatch.setattr(PlainVideo, "error", lambda self, run: 0.08)
    assert encoded(loaded, "auto", 20)[1].coded_as == {"av1": 20}


def test_only_plain_video(loaded: Weights) -> None:
    stream, report = encoded(loaded, "av1", 20)
    assert not any(isinstance(p, KeyPacket) for p in StreamReader(io.BytesIO(stream)))
    assert report.frames == 20


def test_equal_pictures_have_no_error(loaded: Weights) -> None:
    a, b = scrolling(2)
    judge = Judge(loaded.model, None)  # type: ignore[arg-type]
    same, other = judge.compare([a, b], [a, a])
    assert same == 0 < other


def gliding_at(
    loaded: Weights, mode: str, interval_s: float, crf: float, **changes: Any
) -> tuple[bytes, EncodeReport]:
    """40 frames with planned key frames."""
    point = {"keyframe_interval_s": interval_s, "key_crf": crf}
    planned = {"choose_keys": True, "look_ahead": True, "measure": True}
    return encoded(loaded, mode, 40, gliding, **point, **planned, **changes)


@pytest.fixture
def costs(monkeypatch: pytest.MonkeyPatch) -> dict[int, float]:
    """What ways are made to cost, by their key frames; plain video never wins."""
    costs: dict[int, float] = {}
    monkeypatch.setattr(Way, "cost", property(lambda way: costs[way.key_frames]))
    monkeypatch.setattr(Judge, "compare", lambda self, pictures, sources: [0.001] * len(pictures))
    return costs


@pytest.mark.parametrize(
    ("usual_s", "given", "best_s", "best_crf"),
    [
        (0.5, {3: 1, 4: 2}, 0.75, 36),
        (0.5, {3: 2, 4: 1}, 0.5, 40),
        (0.4, {4: 2, 5: 1}, 0.32, 42),
        (0.4, {4: 1, 5: 2}, 0.4, 40),  # longer intervals have four key frames as well
    ],
)
def test_the_time_between_key_frames_that_looks_best(
    usual_s: float,
    given: dict[int, float],
    best_s: float,
    best_crf: float,
    loaded: Weights,
    costs: dict[int, float],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(better_of, "MORE", 100.0)
    costs |= given
    stream, report = gliding_at(loaded, "auto", usual_s, 40, try_intervals=True)
    assert report.coded_as == {"whole": 40}
    expected, measured = gliding_at(loaded, "imf", best_s, best_crf)
    assert stream == expected
    assert report.psnr_db == measured.psnr_db


@pytest.mark.parametrize(
    ("shorter_bytes", "best_s", "best_crf"), [(1100, 0.32, 42), (1101, 0.4, 40)]
)
def test_no_way_may_take_many_more_bytes(
    shorter_bytes: int,
    best_s: float,
    best_crf: float,
    loaded: Weights,
    costs: dict[int, float],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    costs |= {4: 2, 5: 1}
    sizes = {4: 1000, 5: shorter_bytes}
    monkeypatch.setattr(Way, "size_bytes", property(lambda way: sizes[way.key_frames]))
    stream, _ = gliding_at(loaded, "auto", 0.4, 40, try_intervals=True)
    assert stream == gliding_at(loaded, "imf", best_s, best_crf)[0]
