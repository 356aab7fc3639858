"""C4: a stored stream gives exact integers and bounded pixels, for ever."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file

import imfcodec
from imfcodec import weights
from imfcodec.bitstream import PredictedKeyPacket, StreamReader
from tests.golden.regenerate import tokens_of

HERE = Path(__file__).parent

KEYS = {
    "tiny": [(5, False), (14, True), (21, True)],
    "restored": [(5, False), (14, True), (21, True)],
    "chained": [(3, False), (21, True), (29, True)],
}
"""Key frames of each stream: number, whether predicted. The first one's network has no R, the last
one's last key frame is coded from both before it."""

PEAK_LEVELS = 2  # FORMAT.md, section 10
RMS_LEVELS = 0.25


@pytest.fixture(autouse=True)
def golden_weights(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(weights.FOLDER_VARIABLE, str(HERE))


@pytest.fixture(params=KEYS)
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def stream(name: str) -> bytes:
    return (HERE / f"{name}.imf").read_bytes()


@pytest.fixture
def expected(name: str) -> dict[str, np.ndarray]:
    return load_file(HERE / f"{name}-expected.safetensors")


def test_tokens_are_exact(stream: bytes, expected: dict[str, np.ndarray]) -> None:
    file = weights.find_by_id(imfcodec.inspect(io.BytesIO(stream)).header.weights_id)
    tokens = tokens_of(stream, weights.load(file).tables)
    assert np.array_equal(tokens, expected["tokens"])


def test_pixels_are_within_the_published_tolerance(
    stream: bytes, expected: dict[str, np.ndarray]
) -> None:
    frames = [f.rgb for f in imfcodec.Decoder(io.BytesIO(stream))]
    assert len(frames) == 32
    for got, golden in zip(frames[::8], expected["frames"], strict=True):
        error = got.astype(np.int32) - golden
        assert np.abs(error).max() <= PEAK_LEVELS
        assert np.sqrt(np.square(error).mean()) <= RMS_LEVELS


def test_every_byte_is_accounted_for(name: str, stream: bytes) -> None:
    summary = imfcodec.inspect(io.BytesIO(stream))
    assert (summary.frames, summary.complete) == (32, True)
    assert [(key.number, key.predicted) for key in summary.key_frames] == KEYS[name]
    assert summary.sizes.total_bytes == len(stream)


def test_restoration_and_a_chain_are_in_some_of_them(name: str, stream: bytes) -> None:
    model = weights.load(
        weights.find_by_id(imfcodec.inspect(io.BytesIO(stream)).header.weights_id)
    ).model
    assert (model.restoration is None) == (name == "tiny")
    packets = StreamReader(io.BytesIO(stream))
    origins = [p.origin for p in packets if isinstance(p, PredictedKeyPacket)]
    assert origins == ([3, 21] if name == "chained" else [5, 5])
