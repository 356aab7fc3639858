"""Second implementations of what the codec is built from: each is registered, nothing else changes.

A key-picture codec, an entropy model, a network and a rate control, each as small as it can be.
"""

from __future__ import annotations

import io
from collections.abc import Iterable, Sequence
from fractions import Fraction
from pathlib import Path

import constriction
import cv2
import numpy as np
import pytest

import imfcodec
from imfcodec import weights
from imfcodec.bitstream import KeyPacket, StreamReader
from imfcodec.codec.network import ENGINES
from imfcodec.codec.pictures import PICTURE_CODECS, CodedPicture, PictureCodec
from imfcodec.codec.tokens import ENTROPY_MODELS, Port, Quantiser
from imfcodec.config import DecodeOptions
from imfcodec.errors import CorruptStream, OptionError, UnsupportedVersion, WeightsCorrupt
from imfcodec.media import AudioMode, MediaReader
from imfcodec.sender import settings
from imfcodec.sender.rate import SegmentSettings
from tests.tiny import TINY, tiny_model

PNG = 200


class PngPictures:
    """Key pictures as PNG: exact, and never predicted."""

    def __init__(self, width: int, height: int, preset: int = 0) -> None:
        self._shape = (height, width, 3)

    def encode(self, picture: np.ndarray, crf: int) -> CodedPicture:
        return CodedPicture(b"png", cv2.imencode(".png", picture[..., ::-1])[1].tobytes())

    def predict(self, earlier: Sequence[object], picture: np.ndarray, crf: int) -> None:
        return None

    def decode(self, coded: CodedPicture, earlier: Sequence[CodedPicture] = ()) -> np.ndarray:
        picture = cv2.imdecode(np.frombuffer(coded.data, np.uint8), cv2.IMREAD_COLOR)
        if coded.config != b"png" or picture is None or picture.shape != self._shape:
            raise CorruptStream("not a PNG of the right size")
        return np.ascontiguousarray(picture[..., ::-1])


class StaticCoder:
    """Every value under the same table, relative to the token before."""

    reach = 2000
    table = constriction.stream.model.QuantizedGaussian(-reach, reach, 0.0, 20.0)

    def __init__(self, size: int) -> None:
        self._before = np.zeros(size, np.int32)

    def reset(self, key: np.ndarray | None = None) -> None:
        self._before = np.zeros_like(self._before) if key is None else key

    start_after = reset

    def encode(self, tokens: np.ndarray) -> bytes:
        coder = constriction.stream.queue.RangeEncoder()
        coder.encode(np.diff(tokens, axis=0, prepend=self._before[None]).ravel(), self.table)
        self._before = tokens[-1]
        return coder.get_compressed().astype(">u4").tobytes()

    def decode(self, payload: bytes, count: int) -> np.ndarray:
        words = np.frombuffer(payload + bytes(-len(payload) % 4), ">u4").astype(np.uint32)
        steps = constriction.stream.queue.RangeDecoder(words).decode(
            self.table, count * len(self._before)
        )
        tokens = self._before + steps.reshape(count, -1).cumsum(0, np.int32)
        self._before = tokens[-1]
        return tokens

    def rehearse(self, ports: Iterable[Port]) -> np.ndarray:
        tokens, before = [], self._before
        for port in ports:
            before = before + [port.residual(self, k, int(p)) for k, p in enumerate(before)]
            tokens.append(before)
        return np.array(tokens, np.int32).reshape(-1, len(before))

    def cost(self, residual: int) -> float:
        return float(abs(residual)) if abs(residual) < self.reach else 1e9


class StaticModel:
    """One level, one table, one step."""

    id = "static"
    levels = range(1)
    token_size = TINY.token_size

    def quantiser(self, index: int) -> Quantiser:
        if index:
            raise OptionError("there is one level")
        return Quantiser(np.full(self.token_size, 0.2, np.float32))

    def coder(self, index: int, *, holds: bool) -> StaticCoder:
        return StaticCoder(self.token_size)

    @classmethod
    def from_arrays(cls, arrays: object) -> StaticModel:
        return cls()

    def to_arrays(self) -> dict[str, np.ndarray]:
        return {}


class FrozenNetwork:
    """Shows its reference, whatever the tokens say."""

    batch = 4
    side_by_side = 1
    warnings = ()

    def restore(self, picture: np.ndarray, restoration: int = 0) -> np.ndarray:
        return picture

    def restore_once(self, picture: np.ndarray, restoration: int = 0) -> np.ndarray:
        return picture

    def reference(self, picture: np.ndarray, token: np.ndarray) -> np.ndarray:
        return picture

    def rebuild(self, reference: np.ndarray, tokens: np.ndarray) -> np.ndarray:
        return np.stack([reference] * len(tokens))


class CoarserAndCoarser:
    """A rate control that makes each key picture coarser by what was spent."""

    def __init__(self) -> None:
        self.asked: list[tuple[int, Fraction]] = []

    def next(self, spent_bytes: int, time_s: Fraction, *, with_key: bool) -> SegmentSettings:
        self.asked.append((spent_bytes, time_s))
        return SegmentSettings(20 if len(self.asked) == 1 else 60)


def encoded(video: Path, **options: object) -> bytes:
    file = io.BytesIO()
    imfcodec.encode(
        video, file, **{"weights": "tiny", "refine": 0, "mode": "imf", "layout": "whole", **options}
    )
    return file.getvalue()


def decoded(stream: bytes, **options: object) -> np.ndarray:
    decoder = imfcodec.Decoder(io.BytesIO(stream), DecodeOptions(**options))
    frames = np.stack([frame.rgb for frame in decoder])
    assert not decoder.report.damage
    return frames


@pytest.fixture
def png(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(PICTURE_CODECS, PNG, PictureCodec(PngPictures, PngPictures))
    monkeypatch.setattr(settings, "KEY_CODEC", PNG)


@pytest.mark.usefixtures("tiny_weights", "png")
def test_another_picture_codec(small_video: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stream = encoded(small_video, keyframe_interval_s=0.24)
    header = StreamReader(io.BytesIO(stream)).header
    assert (header.key_codec, header.key_config) == (PNG, b"png")
    monkeypatch.setitem(ENGINES, "frozen", lambda *_: FrozenNetwork())
    with MediaReader(small_video, audio=AudioMode.NONE) as reader:
        sources = [frame.rgb for frame in reader.pictures()]
    shown = decoded(stream, engine="frozen")[0]
    assert any(np.array_equal(shown, source) for source in sources)
    monkeypatch.delitem(PICTURE_CODECS, PNG)
    with pytest.raises(UnsupportedVersion, match="key codec 200"):
        decoded(stream)


def test_another_entropy_model(
    small_video: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(weights.FOLDER_VARIABLE, str(tmp_path))
    weights.write(tmp_path, "static", tiny_model(), StaticModel())
    with pytest.raises(WeightsCorrupt, match="entropy model 'static'"):
        encoded(small_video, weights="static")
    monkeypatch.setitem(ENTROPY_MODELS, StaticModel.id, StaticModel)
    stream = encoded(small_video, weights="static", quantiser=0, latency="low")
    frames = decoded(stream)
    assert len(frames) == 12
    assert np.abs(frames[0].astype(int) - frames[-1]).max() > 8


@pytest.mark.usefixtures("tiny_weights")
def test_another_network(small_video: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stream = encoded(small_video)
    with pytest.raises(OptionError, match="engine must be one of auto, torch, onnxruntime, mnn"):
        decoded(stream, engine="frozen")
    monkeypatch.setitem(ENGINES, "frozen", lambda weights, quantiser, options: FrozenNetwork())
    frames = decoded(stream, engine="frozen")
    assert len(frames) == 12
    assert (frames == frames[0]).all()


@pytest.mark.usefixtures("tiny_weights")
def test_another_rate_control(small_video: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rate = CoarserAndCoarser()
    monkeypatch.setattr(settings, "rate_of", lambda options: rate)
    fixed = {"keyframe_interval_s": 0.08, "predict_keys": False, "choose_keys": False}
    stream = encoded(small_video, mode="imf", **fixed)
    keys = [p for p in StreamReader(io.BytesIO(stream)) if isinstance(p, KeyPacket)]
    assert len(keys) == 6
    assert len(keys[1].picture) < len(keys[0].picture) / 2
    # The four segments before may still wait to be written.
    (spent, time_s), *_, (later, later_s) = rate.asked
    assert (spent, time_s) == (0, 0)
    assert len(keys[0].picture) < later < len(stream)
    assert later_s > 0
