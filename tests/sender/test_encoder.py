"""Pictures into a stream, without a file to read them from."""

from __future__ import annotations

import io
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

import imfcodec
from imfcodec.config import EncodeOptions
from imfcodec.errors import NoFrames, OptionError, OutputExists, UnsupportedVideo, WeightsMissing
from tests.conftest import moving_picture

TINY = EncodeOptions(weights="tiny", refine=0, key_preset=8)


@pytest.mark.usefixtures("tiny_weights")
def test_pictures_come_back(tmp_path: Path) -> None:
    path = tmp_path / "a.imf"
    calls: list[tuple[int, float]] = []
    with imfcodec.Encoder(
        path, width=80, height=70, fps=30, options=TINY, progress=lambda *done: calls.append(done)
    ) as encoder:
        for n in range(10):
            encoder.write(moving_picture(n, 80, 70))
        assert not path.exists()
    assert encoder.report is not None
    assert (encoder.report.frames, encoder.report.display) == (10, (80, 70))
    assert encoder.report.duration_s == pytest.approx(1 / 3)
    with path.open("rb") as file:
        decoder = imfcodec.Decoder(file)
        frames = list(decoder)
    assert [f.pts * decoder.header.time_base for f in frames] == [
        Fraction(n, 30) for n in range(10)
    ]
    assert frames[0].rgb.shape == (70, 80, 3)
    # Frames are counted once they are coded; reading and planning are a part of the work.
    assert calls[0][0] == 0
    assert 0 < calls[0][1] < 0.01
    assert [done for done, _ in calls] == sorted(done for done, _ in calls)
    assert [work for _, work in calls] == sorted(work for _, work in calls)
    assert calls[-1] == (10, pytest.approx(1 / 3))


@pytest.mark.usefixtures("tiny_weights")
def test_times_may_be_given() -> None:
    file = io.BytesIO()
    with imfcodec.Encoder(
        file, width=64, height=64, fps=25, options=TINY, time_base=Fraction(1, 1000)
    ) as encoder:
        for n, pts in enumerate((0, 40, 200, 210)):
            encoder.write(moving_picture(n), pts)
        with pytest.raises(ValueError, match="210 does not increase"):
            encoder.write(moving_picture(5), 210)
    assert [f.pts for f in imfcodec.Decoder(io.BytesIO(file.getvalue()))] == [0, 40, 200, 210]


@pytest.mark.usefixtures("tiny_weights")
def test_a_body_that_raises_leaves_nothing(tmp_path: Path) -> None:
    path = tmp_path / "a.imf"
    path.write_bytes(b"kept")
    options = EncodeOptions(weights="tiny", overwrite=True)

    def fail() -> None:
        with imfcodec.Encoder(path, width=64, height=64, options=options) as encoder:
            encoder.write(moving_picture(0))
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert path.read_bytes() == b"kept"
    assert list(tmp_path.iterdir()) == [path]
    with pytest.raises(OutputExists):
        imfcodec.Encoder(path, width=64, height=64, options=TINY)
    with pytest.raises(NoFrames), imfcodec.Encoder(io.BytesIO(), width=64, height=64, options=TINY):
        pass


@pytest.mark.usefixtures("tiny_weights")
def test_wrong_pictures_and_sizes() -> None:
    encoder = imfcodec.Encoder(io.BytesIO(), width=64, height=48, options=TINY)
    for picture in (moving_picture(0), moving_picture(0, 64, 48).astype(float)):
        with pytest.raises(ValueError, match=r"expected uint8 \[48, 64, 3\]"):
            encoder.write(picture)
    encoder.abort()
    for size in ((0, 10), (10, 1000), (70000, 70000)):
        with pytest.raises((UnsupportedVideo, OptionError)):
            imfcodec.Encoder(io.BytesIO(), width=size[0], height=size[1], options=TINY)
    with pytest.raises(UnsupportedVideo, match="frames per second"):
        imfcodec.Encoder(io.BytesIO(), width=64, height=64, fps=0, options=TINY)
    with pytest.raises(WeightsMissing):
        imfcodec.Encoder(
            io.BytesIO(), width=64, height=64, options=EncodeOptions(weights="nothing")
        )


def test_encode_counts_what_is_coded(small_video: Path, tiny_weights: str) -> None:
    calls: list[tuple[int, float]] = []
    from imfcodec.sender.encode import encode

    report = encode(
        small_video,
        io.BytesIO(),
        EncodeOptions(weights=tiny_weights, keyframe_interval_s=0.2),
        lambda *done: calls.append(done),
    )
    assert calls[-1] == (report.frames, pytest.approx(report.duration_s))


def test_large_video_is_refused_before_anything_is_coded(
    tmp_path: Path, tiny_weights: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("imfcodec.sender.encoder.StreamEncoder", None)  # would be called
    for width, height in ((16 * 64 + 64, 64), (8192, 500)):
        with pytest.raises(UnsupportedVideo):
            imfcodec.Encoder(io.BytesIO(), width=width, height=height, options=TINY)
    monkeypatch.undo()


@pytest.mark.parametrize(("width", "height"), [(5312, 2988), (8192, 4320), (8192, 8192)])
@pytest.mark.usefixtures("tiny_weights")
def test_camera_sizes_are_accepted(width: int, height: int) -> None:
    file = io.BytesIO()
    with imfcodec.Encoder(file, width=width, height=height, options=TINY) as encoder:
        encoder.write(np.zeros((height, width, 3), np.uint8))
    summary = imfcodec.inspect(io.BytesIO(file.getvalue()))
    assert (summary.header.geometry.display_width, summary.frames) == (width, 1)
