"""C4: a stored stream gives exact integers and bounded pixels, for ever."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file

import imfcodec
from imfcodec import weights
from tests.golden.regenerate import tokens_of

HERE = Path(__file__).parent
STREAM = (HERE / "tiny.imf").read_bytes()
EXPECTED = load_file(HERE / "tiny-expected.safetensors")

PEAK_LEVELS = 2  # FORMAT.md, section 10
RMS_LEVELS = 0.25


@pytest.fixture(autouse=True)
def golden_weights(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(weights.FOLDER_VARIABLE, str(HERE))


def test_tokens_are_exact() -> None:
    file = weights.find_by_id(imfcodec.inspect(io.BytesIO(STREAM)).header.weights_id)
    tokens = tokens_of(STREAM, weights.load(file).tables)
    assert np.array_equal(tokens, EXPECTED["tokens"])


def test_pixels_are_within_the_published_tolerance() -> None:
    frames = [f.rgb for f in imfcodec.Decoder(io.BytesIO(STREAM))]
    assert len(frames) == 32
    for got, expected in zip(frames[::8], EXPECTED["frames"], strict=True):
        error = got.astype(np.int32) - expected
        assert np.abs(error).max() <= PEAK_LEVELS
        assert np.sqrt(np.square(error).mean()) <= RMS_LEVELS


def test_every_byte_is_accounted_for() -> None:
    summary = imfcodec.inspect(io.BytesIO(STREAM))
    assert (summary.frames, summary.complete) == (32, True)
    keys = [(key.number, key.predicted) for key in summary.key_frames]
    assert keys == [(0, False), (9, True), (17, True), (27, True)]
    assert summary.sizes.total_bytes == len(STREAM)
