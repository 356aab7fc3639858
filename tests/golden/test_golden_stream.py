"""C4: a stored stream gives exact integers and bounded pixels, for ever."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file

import imfcodec
from imfcodec import weights
from imfcodec.bitstream import LayerPacket, PredictedKeyPacket, RunPacket, StreamReader
from tests.golden.regenerate import WINDOWS, tokens_of

HERE = Path(__file__).parent

KEYS = {
    "tiny": [(5, False), (14, True), (21, True)],
    "restored": [(5, False), (14, True), (21, True)],
    "chained": [(3, False), (21, True), (29, True)],
    "held": [(3, False), (21, True), (29, True)],
    WINDOWS: [],
}
"""Key frames of the base of each stream: number, whether predicted. The network of `tiny` has no R,
the last key frame of `chained` is coded from both before it, and so is that of `held`, where tokens
may be held. The base of `windows` is a run."""

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


def test_tokens_are_held_in_one_of_them() -> None:
    tokens = load_file(HERE / "held-expected.safetensors")["tokens"]
    assert (tokens[1:] == tokens[:-1]).all(1).sum() >= 10
    assert imfcodec.inspect(HERE / "held.imf").header.holds


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


def test_windows_and_runs_are_in_one_of_them() -> None:
    """One window stays, one moves, and each picture of the run is shown for two frames."""
    items = list(StreamReader(io.BytesIO((HERE / f"{WINDOWS}.imf").read_bytes())))
    places = [
        {p.window for p in items if isinstance(p, LayerPacket) and p.layer == n} for n in (1, 2)
    ]
    assert [len(windows - {None}) for windows in places] == [1, 2]
    [run] = [p for p in items if isinstance(p, RunPacket)]
    assert (run.hold, len(run.pts), run.restoration) == (2, 32, 0)


def test_restoration_and_a_chain_are_in_some_of_them(name: str, stream: bytes) -> None:
    model = weights.load(
        weights.find_by_id(imfcodec.inspect(io.BytesIO(stream)).header.weights_id)
    ).model
    assert (model.restoration is None) == (name == "tiny")
    packets = StreamReader(io.BytesIO(stream))
    origins = [p.origin for p in packets if isinstance(p, PredictedKeyPacket)]
    assert origins == {"chained": [3, 21], "held": [3, 21], WINDOWS: []}.get(name, [5, 5])
