"""encode -> decode on small videos with the tiny network."""

from __future__ import annotations

import dataclasses
import io
import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
import torch

import imfcodec
from imfcodec.bitstream import (
    AudioPacket,
    AudioParameters,
    EndPacket,
    PredictedKeyPacket,
    StreamReader,
    StreamWriter,
)
from imfcodec.config import DecodeOptions
from imfcodec.errors import (
    InputUnreadable,
    NoVideoStream,
    OptionError,
    OutputExists,
    WeightsCorrupt,
    WeightsMissing,
)
from imfcodec.media import MediaWriter
from tests.conftest import moving_picture


def encoded(video: Path, **options) -> bytes:
    file = io.BytesIO()
    imfcodec.encode(video, file, **{"weights": "tiny", "layout": "whole", "mode": "imf", **options})
    return file.getvalue()


@pytest.mark.usefixtures("tiny_weights")
def test_every_frame_comes_back_with_its_pts(small_video: Path, tmp_path: Path) -> None:
    stream, back = tmp_path / "a.imf", tmp_path / "a.mp4"
    report = imfcodec.encode(
        small_video, stream, weights="tiny", layout="whole", mode="imf", measure=True
    )
    assert report.frames == 12
    assert report.key_frames == 1
    assert report.sizes.total_bytes == stream.stat().st_size
    assert report.rate_kbps == pytest.approx(8 * stream.stat().st_size / 0.48 / 1000)
    assert report.psnr_db is not None
    decoded = imfcodec.decode(stream, back)
    assert decoded.frames == 12
    assert decoded.sizes == report.sizes
    with av.open(str(back)) as container:
        video = container.streams.video[0]
        pts = [f.pts * video.time_base for f in container.decode(video)]
        assert pts == [Fraction(n, 25) for n in range(12)]
        assert (video.width, video.height) == (64, 64)
        assert video.codec_context.colorspace == 1
        assert video.codec_context.color_range == 1


@pytest.mark.usefixtures("tiny_weights")
def test_threads_are_for_the_codec_alone(small_video: Path) -> None:
    before = torch.get_num_threads()
    stream = encoded(small_video, threads=before + 2)
    decoder = imfcodec.Decoder(io.BytesIO(stream), DecodeOptions(threads=before + 2))
    seen = [torch.get_num_threads() for _ in decoder]
    with ThreadPoolExecutor(1) as other:
        seen.append(other.submit(torch.get_num_threads).result())
    assert seen == [before] * 13


@pytest.mark.usefixtures("tiny_weights")
def test_loaded_weights_serve_several_calls_at_once(
    small_video: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stream = encoded(small_video)
    alone = np.stack([frame.rgb for frame in imfcodec.Decoder(io.BytesIO(stream))])
    loaded = imfcodec.load_weights("tiny")
    monkeypatch.setattr("imfcodec.weights.load", lambda file: pytest.fail(f"{file} is read again"))

    def decoded() -> np.ndarray:
        decoder = imfcodec.Decoder(io.BytesIO(stream), loaded=loaded)
        return np.stack([frame.rgb for frame in decoder])

    with ThreadPoolExecutor(3) as threads:
        again = threads.submit(encoded, small_video, weights=loaded)
        pictures = [threads.submit(decoded) for _ in range(2)]
        assert again.result() == stream
        for shown in pictures:
            assert np.array_equal(shown.result(), alone)


def test_loaded_weights_of_another_stream(small_video: Path, tiny_weights: Path) -> None:
    stream = encoded(small_video)
    loaded = imfcodec.load_weights("tiny")
    other = dataclasses.replace(loaded, file=dataclasses.replace(loaded.file, id=b"none"))
    with pytest.raises(WeightsMissing, match="the loaded file"):
        imfcodec.decode(io.BytesIO(stream), io.BytesIO(), format="mp4", weights=other)


@pytest.mark.usefixtures("tiny_weights")
def test_decoder_iterates_frames(small_video: Path) -> None:
    frames = list(imfcodec.Decoder(io.BytesIO(encoded(small_video))))
    assert [f.number for f in frames] == list(range(12))
    assert all(f.rgb.shape == (64, 64, 3) and f.rgb.dtype == np.uint8 for f in frames)


@pytest.mark.usefixtures("tiny_weights")
def test_what_the_sender_measures_is_what_the_receiver_shows(small_video: Path) -> None:
    file = io.BytesIO()
    report = imfcodec.encode(
        small_video, file, weights="tiny", layout="whole", mode="imf", measure=True
    )
    with av.open(str(small_video)) as container:
        source = [f.reformat(format="rgb24").to_ndarray() for f in container.decode(video=0)]
    frames = [f.rgb for f in imfcodec.Decoder(io.BytesIO(file.getvalue()))]
    errors = [np.square(a.astype(float) - b).mean() for a, b in zip(source, frames, strict=True)]
    psnr = np.mean([10 * np.log10(255**2 / e) for e in errors])
    assert report.psnr_db == pytest.approx(psnr, abs=0.3)  # the two read the source differently


@pytest.mark.usefixtures("tiny_weights")
def test_low_latency_sends_each_token_at_once(small_video: Path) -> None:
    pictures = []
    for latency, packets in (("normal", 1), ("low", 11)):
        data = encoded(small_video, latency=latency, key_preset=4, choose_keys=False)
        assert imfcodec.inspect(io.BytesIO(data)).packets["tokens"] == packets
        pictures.append(np.stack([f.rgb for f in imfcodec.Decoder(io.BytesIO(data))]))
    # Tokens that wait for no others cannot be smoothed over time: the same pictures but for that.
    assert np.abs(pictures[0][0].astype(int) - pictures[1][0]).max() == 0
    assert np.abs(pictures[0].astype(int) - pictures[1]).mean() < 1


@pytest.mark.usefixtures("tiny_weights")
def test_keyframe_interval(small_video: Path) -> None:
    data = encoded(small_video, keyframe_interval_s=0.2, predict_keys=False, choose_keys=False)
    summary = imfcodec.inspect(io.BytesIO(data))
    assert summary.key_frames == [(0, 0, False), (5, 5 * 512, False), (10, 10 * 512, False)]
    assert summary.sizes.predicted_key_bytes == 0
    assert len(list(imfcodec.Decoder(io.BytesIO(data)))) == 12


@pytest.mark.usefixtures("tiny_weights")
@pytest.mark.parametrize("latency", ["normal", "low"])
def test_predicted_key_frames(small_video: Path, latency: str) -> None:
    file = io.BytesIO()
    report = imfcodec.encode(
        small_video,
        file,
        weights="tiny",
        keyframe_interval_s=0.2,
        choose_keys=False,
        latency=latency,
        layout="whole",
        mode="imf",
        measure=True,
    )
    assert (report.key_frames, report.predicted_key_frames) == (3, 2)
    assert 0 < report.sizes.predicted_key_bytes < report.sizes.key_bytes
    summary = imfcodec.inspect(io.BytesIO(file.getvalue()))
    assert summary.key_frames == [(0, 0, False), (5, 5 * 512, True), (10, 10 * 512, True)]
    assert summary.packets["predicted key"] == 2
    assert "index" not in summary.packets
    decoder = imfcodec.Decoder(io.BytesIO(file.getvalue()))
    frames = list(decoder)
    assert [f.pts for f in frames] == [512 * n for n in range(12)]
    assert not any(f.lost for f in frames)
    # Looking ahead, frames may be rebuilt from the key frame behind them.
    before = [0] * 5 + [5] * 5 + [10] * 2
    assert all(f.key in (k, k + 5) for f, k in zip(frames, before, strict=True))
    assert latency == "normal" or [f.key for f in frames] == before
    assert (decoder.report.key_frames, decoder.report.predicted_key_frames) == (3, 2)
    assert decoder.report.sizes == report.sizes
    errors = [
        np.square(f.rgb.astype(float) - moving_picture(n)).mean() for n, f in enumerate(frames)
    ]
    psnr = np.mean([10 * np.log10(255**2 / e) for e in errors])
    assert report.psnr_db == pytest.approx(psnr, abs=1.5)  # of what H.264 left of the source


@pytest.mark.usefixtures("tiny_weights")
def test_key_frames_of_the_same_low_bits(tmp_path: Path) -> None:
    """With 256 frames between them neither can be named, so that the next one leans on the base."""
    path = tmp_path / "long.mkv"
    with MediaWriter(
        path, width=64, height=64, time_base=Fraction(1, 60), rate=Fraction(60)
    ) as writer:
        for n in range(400):
            writer.write(n, moving_picture(n // 8))
    data = encoded(
        path,
        keyframe_interval_s=128 / 60,
        choose_keys=False,
        look_ahead=False,
        refine=0,
        scene_cut=False,
    )
    packets = list(StreamReader(io.BytesIO(data)))
    predicted = [p for p in packets if isinstance(p, PredictedKeyPacket)]
    assert [(p.frame_number, p.origin) for p in predicted] == [(128, 0), (256, 128), (384, 0)]
    assert not any(f.lost for f in imfcodec.Decoder(io.BytesIO(data)))


@pytest.mark.usefixtures("tiny_weights")
def test_a_picture_that_prediction_does_not_help_is_a_base(tmp_path: Path) -> None:
    """The scene changes with the second interval, and no cut may tell."""
    path = tmp_path / "two.mkv"
    rng = np.random.default_rng(0)
    blocks = rng.integers(0, 256, (16, 16, 3), np.uint8).repeat(4, 0).repeat(4, 1)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("ffv1", rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 64, "yuv444p"
        for n in range(15):
            picture = moving_picture(n) if n < 5 else np.roll(blocks, n, 1)
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    data = encoded(path, keyframe_interval_s=0.2, scene_cut=False, choose_keys=False)
    keys = imfcodec.inspect(io.BytesIO(data)).key_frames
    assert [(key.number, key.predicted) for key in keys] == [(0, False), (5, False), (10, True)]
    assert len(list(imfcodec.Decoder(io.BytesIO(data)))) == 15


def test_same_bytes_on_one_and_two_threads(small_video: Path, tiny_folder: Path) -> None:
    """C9, in fresh processes: a thread count is fixed when torch first works."""
    code = (
        "import sys, imfcodec; imfcodec.encode(sys.argv[1], '-', weights='tiny',"
        " threads=int(sys.argv[2]), layout='whole')"
    )
    outputs = [
        subprocess.run(
            [sys.executable, "-c", code, str(small_video), threads],
            capture_output=True,
            check=True,
            env={
                "IMFCODEC_WEIGHTS": str(tiny_folder),
                "PATH": "",
                "PYTHONPATH": ":".join(sys.path),
            },
        ).stdout
        for threads in ("1", "2")
    ]
    assert outputs[0] == outputs[1]
    assert len(outputs[0]) > 100


@pytest.mark.usefixtures("tiny_weights")
def test_variable_frame_rate_survives(tmp_path: Path) -> None:
    path, back = tmp_path / "vfr.mp4", tmp_path / "back.mp4"
    stamps = [0, 40, 90, 100, 260, 300, 1400, 1440]
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25)
        stream.width = stream.height = 64
        stream.pix_fmt = "yuv420p"
        stream.codec_context.time_base = Fraction(1, 1000)
        for n, stamp in enumerate(stamps):
            frame = av.VideoFrame.from_ndarray(moving_picture(n), format="rgb24")
            frame.pts, frame.time_base = stamp, Fraction(1, 1000)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    data = encoded(path)
    imfcodec.decode(io.BytesIO(data), back)
    with av.open(str(back)) as container:
        video = container.streams.video[0]
        assert [f.pts * video.time_base for f in container.decode(video)] == [
            Fraction(s, 1000) for s in stamps
        ]


@pytest.mark.usefixtures("tiny_weights")
@pytest.mark.parametrize("container", ["mp4", "mkv", "webm"])
def test_sound_stays_with_the_picture(tmp_path: Path, container: str) -> None:
    """720p with AAC: a click at 0.5 s is heard at 0.5 s, and the track keeps its length."""
    path, back = tmp_path / "hd.mp4", tmp_path / f"back.{container}"
    rate = 44_100
    sound = np.zeros(rate, np.float32)
    sound[rate // 2 : rate // 2 + 400] = np.sin(np.arange(400) / 5) * 0.9
    with av.open(str(path), "w") as file:
        video = file.add_stream("libx264", rate=30, options={"preset": "ultrafast"})
        video.width, video.height, video.pix_fmt = 1280, 720, "yuv420p"
        audio = file.add_stream("aac", rate=rate)
        audio.layout = "mono"
        for n in range(30):
            picture = moving_picture(n).repeat(12, 0)[:720].repeat(20, 1)
            file.mux(video.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        for begin in range(0, rate, 1024):
            block = av.AudioFrame.from_ndarray(
                sound[None, begin : begin + 1024], format="fltp", layout="mono"
            )
            block.sample_rate, block.pts = rate, begin
            file.mux(audio.encode(block))
        file.mux(audio.encode(None))
        file.mux(video.encode(None))
    data = encoded(path, short_side=64)
    imfcodec.decode(io.BytesIO(data), back)
    with av.open(str(back)) as file:
        video = file.streams.video[0]
        assert (video.width, video.height) == (1280, 720)
        heard, start = [], None
        for frame in file.decode(audio=0):
            start = float(frame.pts * frame.time_base) if start is None else start
            heard.append(frame.to_ndarray().mean(0))
        samples = np.concatenate(heard)
        click_s = start + int(np.argmax(np.abs(samples) > 0.3 * np.abs(samples).max())) / 48_000
        assert click_s == pytest.approx(0.5, abs=0.02)
        assert start + len(samples) / 48_000 == pytest.approx(1.0, abs=0.08)


@pytest.mark.usefixtures("tiny_weights")
def test_audio_of_an_unknown_codec_is_left_out(small_video: Path, tmp_path: Path) -> None:
    reader = StreamReader(io.BytesIO(encoded(small_video)))
    unknown = AudioParameters(codec=77, sample_rate=48_000, channels=1, extradata=b"?")
    file = io.BytesIO()
    writer = StreamWriter(file, dataclasses.replace(reader.header, audio=unknown))
    end_pts = 0
    for packet in reader:
        if isinstance(packet, EndPacket):
            end_pts = packet.end_pts
        else:
            writer.write(packet)
    writer.write(AudioPacket(0, (b"nothing known",)))
    writer.finish(end_pts)
    data = file.getvalue()
    back = tmp_path / "back.mp4"
    report = imfcodec.decode(io.BytesIO(data), back)
    assert report.frames == 12
    assert report.warnings == ["audio codec 77 is unknown: audio is left out"]
    with av.open(str(back)) as container:
        assert not container.streams.audio


@pytest.mark.usefixtures("tiny_weights")
def test_odd_size_is_padded_cropped_and_scaled_back(tmp_path: Path) -> None:
    path = tmp_path / "odd.mkv"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("ffv1", rate=25)
        stream.width, stream.height, stream.pix_fmt = 333, 301, "yuv444p"
        for n in range(3):
            frame = av.VideoFrame.from_ndarray(moving_picture(n, 333, 301), format="rgb24")
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    data = encoded(path, short_side=96)
    decoder = imfcodec.Decoder(io.BytesIO(data))
    assert decoder.geometry.coded == (128, 96)
    assert all(f.rgb.shape == (301, 333, 3) for f in decoder)


@pytest.mark.usefixtures("tiny_weights")
def test_one_frame(tmp_path: Path) -> None:
    path = tmp_path / "one.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25)
        stream.width = stream.height = 64
        stream.pix_fmt = "yuv420p"
        container.mux(stream.encode(av.VideoFrame.from_ndarray(moving_picture(0), format="rgb24")))
        container.mux(stream.encode(None))
    assert len(list(imfcodec.Decoder(io.BytesIO(encoded(path))))) == 1


@pytest.mark.usefixtures("tiny_weights")
class TestBadInput:
    def test_existing_output_is_untouched(self, small_video: Path, tmp_path: Path) -> None:
        target = tmp_path / "a.imf"
        target.write_text("mine")
        with pytest.raises(OutputExists):
            imfcodec.encode(small_video, target, weights="tiny")
        assert target.read_text() == "mine"

    def test_failure_leaves_nothing(self, tmp_path: Path) -> None:
        source = tmp_path / "text.mp4"
        source.write_text("no video")
        with pytest.raises(InputUnreadable):
            imfcodec.encode(source, tmp_path / "a.imf", weights="tiny")
        assert sorted(p.name for p in tmp_path.iterdir()) == ["text.mp4"]

    def test_no_video_stream(self, tmp_path: Path) -> None:
        source = tmp_path / "sound.wav"
        with av.open(str(source), "w") as container:
            stream = container.add_stream("pcm_s16le", rate=8000)
            frame = av.AudioFrame.from_ndarray(np.zeros((1, 800), np.int16), layout="mono")
            frame.sample_rate = 8000
            container.mux(stream.encode(frame))
        with pytest.raises(NoVideoStream):
            imfcodec.encode(source, tmp_path / "a.imf", weights="tiny")

    def test_missing_weights_are_named(
        self, small_video: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        data = encoded(small_video)
        weights_id = imfcodec.inspect(io.BytesIO(data)).header.weights_id.hex()
        monkeypatch.setenv("IMFCODEC_WEIGHTS", str(tmp_path))
        with pytest.raises(WeightsMissing, match=weights_id):
            imfcodec.decode(io.BytesIO(data), tmp_path / "a.mp4")

    def test_tampered_weights_are_refused(
        self, small_video: Path, tmp_path: Path, tiny_folder: Path
    ) -> None:
        original = next(tiny_folder.glob("*.safetensors"))
        data = bytearray(original.read_bytes())
        data[-1] ^= 1
        tampered = tmp_path / original.name
        tampered.write_bytes(data)
        with pytest.raises(WeightsCorrupt, match="sha256"):
            imfcodec.encode(small_video, tmp_path / "a.imf", weights=str(tampered))

    @pytest.mark.parametrize(
        "options",
        [
            {"quantiser": 99},
            {"key_crf": 0},
            {"latency": "soon"},
            {"keyframe_interval_s": 0.0},
            {"short_side": 8},
            {"threads": 0},
            {"threads": 10**14},
            {"no_such_option": 1},
        ],
    )
    def test_options(self, small_video: Path, tmp_path: Path, options: dict) -> None:
        with pytest.raises(OptionError):
            imfcodec.encode(small_video, tmp_path / "a.imf", **{"weights": "tiny", **options})
        assert not (tmp_path / "a.imf").exists()


@pytest.mark.usefixtures("tiny_weights")
@pytest.mark.parametrize("options", [{"device": "nonsense"}, {"batch": 0}, {"threads": -1}])
def test_decode_options(small_video: Path, tmp_path: Path, options: dict) -> None:
    data = encoded(small_video)
    with pytest.raises(OptionError):
        imfcodec.decode(io.BytesIO(data), tmp_path / "a.mp4", **options)
    assert list(tmp_path.glob("*a.mp4*")) == []


@pytest.mark.data
@pytest.mark.parametrize(
    ("clip", "preset"),
    [("51321c0b43", "default"), ("classic_akiyo_0", "fast"), ("c1a8fa1f04", "live")],
)
def test_real_clips_with_the_shipped_weights(
    data: Path, clip: str, preset: str, tmp_path: Path
) -> None:
    """The main job: a stranger's talking head, below 8 kbps, every frame back."""
    source = data / "val" / f"{clip}.mp4"
    with av.open(str(source)) as container:
        count = sum(frame.time < 3 for frame in container.decode(video=0))
    report = imfcodec.encode(source, tmp_path / "a.imf", preset=preset, end_s=3)
    assert report.frames == count
    assert report.rate_kbps < 8
    decoder = imfcodec.Decoder((tmp_path / "a.imf").open("rb"))
    first = next(iter(decoder))
    assert first.rgb.shape == (256, 256, 3)
    summary = imfcodec.inspect(tmp_path / "a.imf")
    assert summary.frames == count
    assert json.dumps(summary.packets)


def test_a_decoder_takes_a_file_and_no_path() -> None:
    with pytest.raises(OptionError, match=r"a binary file, not 'a\.imf'"):
        imfcodec.Decoder("a.imf")  # type: ignore[arg-type]
