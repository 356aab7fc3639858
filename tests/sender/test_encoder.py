"""Pictures into a stream, without a file to read them from."""

from __future__ import annotations

import io
import threading
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import imfcodec
from imfcodec.arrays import Picture
from imfcodec.codec.network.in_torch import TorchNetwork
from imfcodec.config import EncodeOptions
from imfcodec.errors import NoFrames, OptionError, OutputExists, UnsupportedVideo, WeightsMissing
from imfcodec.media import AudioPacketOut, OpusParameters
from tests.conftest import moving_picture

TINY = EncodeOptions(weights="tiny", refine=0, key_preset=8, layout="whole", mode="imf")


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
@pytest.mark.parametrize("mode", ["av1", "auto"])
def test_coding_plain_video_is_work_as_well(mode: str) -> None:
    calls: list[tuple[int, float]] = []
    encoder = imfcodec.Encoder(
        io.BytesIO(),
        width=64,
        height=64,
        options=replace(TINY, mode=mode),
        progress=lambda *done: calls.append(done),
    )
    for n in range(50):
        encoder.write(moving_picture(n, 64, 64))
    taken = len(calls)
    encoder.close()
    assert calls[taken - 1][1] < 1
    assert calls == sorted(calls)
    assert calls[-1] == (50, pytest.approx(2))


@pytest.mark.usefixtures("tiny_weights")
@pytest.mark.parametrize(
    ("changes", "restores"), [({}, False), ({"refine": 1}, True), ({"measure": True}, True)]
)
def test_key_frames_are_restored_where_that_is_of_use(changes: dict, restores: bool) -> None:
    with imfcodec.Encoder(
        io.BytesIO(), width=64, height=64, options=replace(TINY, **changes)
    ) as encoder:
        for n in range(3):
            encoder.write(moving_picture(n))
    assert encoder.report is not None
    assert ("restoration" in encoder.report.stages.milliseconds) == restores


@pytest.mark.usefixtures("tiny_weights")
@pytest.mark.parametrize("changes", [{}, {"choose_keys": False}, {"look_ahead": False}])
def test_threads_change_no_byte(changes: dict) -> None:
    streams, sound = [], OpusParameters(1, 312, b"")
    for threads in (1, 2, 7):
        options = replace(TINY, refine=2, keyframe_interval_s=0.4, threads=threads, **changes)
        file = io.BytesIO()
        with imfcodec.Encoder(file, width=64, height=64, options=options, audio=sound) as encoder:
            for n in range(80):
                encoder.write(moving_picture(n))
                for pts in (1920 * n, 1920 * n + 960):  # 20 ms each
                    encoder.write_audio(AudioPacketOut(pts, bytes([8, n]), 960))
        assert encoder.report is not None
        assert encoder.report.key_frames >= 5
        streams.append(file.getvalue())
    assert streams[0] == streams[1] == streams[2]


@pytest.mark.usefixtures("tiny_weights")
def test_what_goes_wrong_in_another_thread_ends_the_encode(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise OptionError("no restoration today")

    monkeypatch.setattr(TorchNetwork, "restore", refuse)
    encoder = imfcodec.Encoder(
        io.BytesIO(), width=64, height=64, options=replace(TINY, refine=1, keyframe_interval_s=0.4)
    )
    for n in range(15):
        encoder.write(moving_picture(n))
    with pytest.raises(OptionError, match="no restoration today"):
        encoder.close()


@pytest.mark.usefixtures("tiny_weights")
def test_threads_stop_with_their_encoder(monkeypatch: pytest.MonkeyPatch) -> None:
    begun, stopped, done = threading.Event(), threading.Event(), []
    restore = TorchNetwork.restore

    def slow(network: TorchNetwork, *picture: Any) -> Picture:
        begun.set()
        stopped.wait(10)
        return restore(network, *picture)

    def note(frames: int, _: float) -> None:
        done.append(frames)

    monkeypatch.setattr(TorchNetwork, "restore", slow)
    options = replace(TINY, refine=1, look_ahead=False, keyframe_interval_s=0.4, threads=2)
    encoder = imfcodec.Encoder(io.BytesIO(), width=64, height=64, options=options, progress=note)
    for n in range(12):
        encoder.write(moving_picture(n))
    assert begun.wait(10)
    encoder.abort()
    stopped.set()
    for thread in threading.enumerate():
        if thread.name.startswith("imfcodec-analysis"):
            thread.join(10)
            assert not thread.is_alive()
    assert not any(done)  # no frame was counted


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
    for fps in (0, -1, float("nan"), float("inf"), 1e-9, "25", True):
        with pytest.raises(OptionError, match="fps must be"):
            imfcodec.Encoder(io.BytesIO(), width=64, height=64, fps=fps, options=TINY)
    for time_base in (Fraction(0), 0.04):
        with pytest.raises(OptionError, match="time_base must be"):
            imfcodec.Encoder(io.BytesIO(), width=64, height=64, time_base=time_base, options=TINY)
    for target in (5, None):
        with pytest.raises(OptionError, match="target must be"):
            imfcodec.Encoder(target, width=64, height=64, options=TINY)
    with pytest.raises(OptionError, match="--format imf"):
        imfcodec.Encoder("a.mp4", width=64, height=64, options=TINY)
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
        EncodeOptions(weights=tiny_weights, keyframe_interval_s=0.2, layout="whole", mode="imf"),
        lambda *done: calls.append(done),
    )
    assert calls[-1] == (report.frames, pytest.approx(report.duration_s))


def test_large_video_is_refused_before_anything_is_coded(
    tmp_path: Path, tiny_weights: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("imfcodec.sender.settings.Parts", None)  # would be called
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


@pytest.mark.usefixtures("tiny_weights")
def test_an_array_may_be_used_again() -> None:
    fresh, again = io.BytesIO(), io.BytesIO()
    pictures = [moving_picture(n) for n in range(8)]
    with imfcodec.Encoder(fresh, width=64, height=64, options=TINY) as encoder:
        for picture in pictures:
            encoder.write(picture)
    buffer = np.empty_like(pictures[0])
    with imfcodec.Encoder(again, width=64, height=64, options=TINY) as encoder:
        for picture in pictures:
            buffer[:] = picture
            encoder.write(buffer)
    assert again.getvalue() == fresh.getvalue()


@pytest.mark.usefixtures("tiny_weights")
def test_a_closed_encoder_takes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "a.imf"
    with imfcodec.Encoder(path, width=64, height=64, options=TINY) as encoder:
        encoder.write(moving_picture(0))
        encoder.abort()
    assert not path.exists()
    with pytest.raises(ValueError, match="closed"):
        encoder.write(moving_picture(1))
    with pytest.raises(ValueError, match="closed"):
        encoder.close()
    whole = imfcodec.Encoder(path, width=64, height=64, options=TINY)
    whole.write(moving_picture(0))
    with pytest.raises(ValueError, match="without audio"):
        whole.write_audio(None)  # type: ignore[arg-type]
    for pts, duration in ((0, 0), (1 << 62, 0), (5, -3)):
        with pytest.raises(ValueError, match=r"cannot be written|does not increase"):
            whole.write(moving_picture(1), pts, duration)
    assert whole.close() is whole.close()
    with pytest.raises(ValueError, match="closed"):
        whole.write(moving_picture(1))


@pytest.mark.usefixtures("tiny_weights")
def test_many_still_frames_keep_the_rule_of_the_format() -> None:
    """Hundreds of frames a second in which nothing moves: few bytes, many frames."""
    file = io.BytesIO()
    with imfcodec.Encoder(file, width=64, height=64, fps=400, options=TINY) as encoder:
        for _ in range(400):
            encoder.write(moving_picture(0))
    decoder = imfcodec.Decoder(io.BytesIO(file.getvalue()))
    assert sum(1 for _ in decoder) == 400
    assert decoder.report.damage == []
