"""Whole pictures are coded in the way that is seen to be better."""

from __future__ import annotations

import dataclasses
import io
from pathlib import Path

import numpy as np
import pytest

import imfcodec
from imfcodec.bitstream import EndPacket, KeyPacket, RunPacket, StreamReader
from imfcodec.sender.judge import Judge
from imfcodec.sender.report import EncodeReport
from imfcodec.weights import Weights
from tests.heads import OPTIONS, loaded_weights

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


def encoded(loaded: Weights, mode: str, count: int = 30) -> tuple[bytes, EncodeReport]:
    file = io.BytesIO()
    options = dataclasses.replace(AUTO, mode=mode)
    with imfcodec.Encoder(file, width=64, height=64, options=options, loaded=loaded) as encoder:
        for picture in scrolling(count):
            encoder.write(picture)
    return file.getvalue(), encoder.close()


def test_plain_video_where_tokens_cannot_follow(loaded: Weights) -> None:
    tokens, _ = encoded(loaded, "imf")
    stream, report = encoded(loaded, "auto")
    assert report.coded_as == {"av1": 30}
    kinds = {type(p) for p in StreamReader(io.BytesIO(stream))}
    assert kinds == {RunPacket, EndPacket}
    assert len(stream) < 1.05 * len(tokens)
    decoder = imfcodec.Decoder(io.BytesIO(stream), loaded=loaded)
    errors = [
        np.abs(f.rgb.astype(int) - picture).mean()
        for f, picture in zip(decoder, scrolling(30), strict=True)
    ]
    assert np.mean(errors) < 40
    assert not decoder.report.damage


def test_tokens_where_plain_video_looks_worse(
    loaded: Weights, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Judge, "compare", lambda self, pictures, sources: [0.1] * len(pictures))
    stream, report = encoded(loaded, "auto", 20)
    assert report.coded_as == {"whole": 20}  # plain video counts more at equal error
    assert stream == encoded(loaded, "imf", 20)[0]


def test_only_plain_video(loaded: Weights) -> None:
    stream, report = encoded(loaded, "av1", 20)
    assert not any(isinstance(p, KeyPacket) for p in StreamReader(io.BytesIO(stream)))
    assert report.frames == 20


def test_equal_pictures_have_no_error(loaded: Weights) -> None:
    a, b = scrolling(2)
    judge = Judge(loaded.model, None)  # type: ignore[arg-type]
    same, other = judge.compare([a, b], [a, a])
    assert same == 0 < other
