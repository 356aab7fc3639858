from __future__ import annotations

import io
import os
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from imfcodec.errors import OptionError, OutputExists, OutputFailed
from imfcodec.media import MediaReader, MediaWriter, OpusParameters, writer

from .samples import HEIGHT, WIDTH, gradient

NTSC = Fraction(1, 30000)
TIMES = [0, 1001, 2002, 5005, 7007, 9009]
END = 12012


def write(target, times=TIMES, end=END, *, width=WIDTH, height=HEIGHT, **options) -> MediaWriter:
    options = {"time_base": NTSC, "width": width, "height": height, **options}
    with MediaWriter(target, **options) as out:
        for step, pts in enumerate(times):
            out.write(pts, gradient(width, height, step))
        out.close(end)
    return out


def read(path):
    with MediaReader(path, audio="none") as media:
        return media, list(media.events())


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize(
    ("extension", "codec"),
    [
        ("mp4", None),
        ("mp4", "libx265"),
        ("mp4", "libvpx-vp9"),
        ("mkv", None),
        ("mkv", "libx265"),
        ("webm", None),
    ],
)
def test_times_and_pictures_come_back(tmp_path, extension, codec):
    path = tmp_path / f"out.{extension}"
    out = write(path, codec=codec)
    media, frames = read(path)
    times = [frame.pts * media.info.time_base for frame in frames]
    wanted = [pts * NTSC for pts in TIMES]
    if extension == "mp4":
        assert times == wanted
        if codec != "libvpx-vp9":  # libav's VP9 parser replaces what MP4 says by a guess
            ends = [*wanted[1:], END * NTSC]
            lengths = [frame.duration * media.info.time_base for frame in frames]
            assert lengths == [b - a for a, b in zip(wanted, ends, strict=True)]
        assert out.warnings == []
    else:
        assert all(abs(a - b) <= Fraction(1, 2000) for a, b in zip(times, wanted, strict=True))
        assert any("milliseconds" in warning for warning in out.warnings)
    assert media.info.duration_s == pytest.approx(END / 30000, abs=0.001)
    for step, frame in enumerate(frames):
        error = frame.rgb.astype(int) - gradient(step=step)
        assert abs(error.mean()) < 0.8
        assert np.abs(error).mean() < 2.5


@pytest.mark.parametrize("extension", ["mp4", "mkv", "webm"])
def test_whole_milliseconds_are_exact_everywhere(tmp_path, extension):
    path = tmp_path / f"out.{extension}"
    times = [0, 33, 67, 100, 500]
    out = write(path, times, 533, time_base=Fraction(1, 1000))
    media, frames = read(path)
    assert [frame.pts * media.info.time_base * 1000 for frame in frames] == times
    assert out.warnings == []


@pytest.mark.parametrize("extension", ["mp4", "mkv", "webm"])
def test_colour_is_tagged_bt709_limited(tmp_path, extension):
    path = tmp_path / f"out.{extension}"
    write(path)
    with av.open(str(path)) as container:
        context = container.streams.video[0].codec_context
        tags = (context.colorspace, context.color_trc, context.color_primaries)
        assert tags == (1, 1, 1)
        assert context.color_range == 1
        assert context.pix_fmt == "yuv420p"


def test_the_first_picture_of_the_container_is_at_zero(tmp_path):
    path = tmp_path / "out.mp4"
    write(path, list(range(0, 30 * 1001, 1001)), 30 * 1001)
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        assert stream.start_time == 0
        assert next(packet.dts for packet in container.demux(stream)) == 0


@pytest.mark.parametrize(("extension", "codec"), [("mp4", None), ("mkv", None), ("mp4", "libx265")])
@pytest.mark.parametrize("size", [(63, 48), (64, 47), (63, 47)])
def test_odd_sizes_survive_in_444(tmp_path, extension, codec, size):
    path = tmp_path / f"out.{extension}"
    out = write(path, width=size[0], height=size[1], codec=codec)
    media, frames = read(path)
    assert (media.info.width, media.info.height) == size
    assert media.info.pix_fmt == "yuv444p"
    assert any("4:4:4" in warning for warning in out.warnings)
    assert np.abs(frames[0].rgb.astype(int) - gradient(*size)).mean() < 2.5


def test_odd_sizes_in_webm(tmp_path):
    path = tmp_path / "out.webm"
    out = write(path, width=63, height=47)
    media, _ = read(path)
    assert (media.info.width, media.info.height) == (63, 47)
    assert not any("4:4:4" in warning for warning in out.warnings)


@pytest.mark.parametrize("extension", ["mp4", "mkv"])
def test_sample_aspect_ratio(tmp_path, extension):
    path = tmp_path / f"out.{extension}"
    write(path, sample_aspect_ratio=Fraction(16, 11))
    assert read(path)[0].info.sample_aspect_ratio == Fraction(16, 11)


def test_a_lost_aspect_ratio_is_named(tmp_path):
    out = write(tmp_path / "out.webm", sample_aspect_ratio=Fraction(16, 11))
    assert any("16/11" in warning for warning in out.warnings)


def test_rate(tmp_path):
    path = tmp_path / "out.mp4"
    write(path, list(range(0, 10 * 1001, 1001)), None, rate=Fraction(30000, 1001))
    media, frames = read(path)
    assert media.info.average_rate == Fraction(30000, 1001)
    assert frames[-1].duration * media.info.time_base == 1001 * NTSC


def test_crf_matters(tmp_path):
    noise = np.random.default_rng(0).integers(0, 256, (HEIGHT, WIDTH, 3), np.uint8)
    sizes = []
    for crf in (10, 40):
        path = tmp_path / f"{crf}.mp4"
        with MediaWriter(path, crf=crf, width=WIDTH, height=HEIGHT, time_base=NTSC) as out:
            out.write(0, noise)
        sizes.append(path.stat().st_size)
    assert sizes[0] > 1.5 * sizes[1]


def test_matroska_into_a_pipe(tmp_path):
    path = tmp_path / "pipe.mkv"
    out, into = os.pipe()
    with os.fdopen(into, "wb", buffering=0) as pipe:
        write(pipe, format="mkv")
        assert not pipe.closed
    with os.fdopen(out, "rb") as pipe:
        path.write_bytes(pipe.read())
    _, frames = read(path)
    assert len(frames) == len(TIMES)


def test_standard_output(monkeypatch):
    file = io.BytesIO()
    monkeypatch.setattr(writer.sys, "stdout", io.TextIOWrapper(file))
    write("-", format="rgb")
    assert len(file.getvalue()) == len(TIMES) * WIDTH * HEIGHT * 3


def test_choices_are_checked(tmp_path):
    for options, message in [
        ({"target": tmp_path / "out.avi"}, r"\.mp4, \.mkv, \.webm, \.y4m, \.rgb"),
        ({"target": tmp_path / "out"}, "extension"),
        ({"target": io.BytesIO()}, "format"),
        ({"target": tmp_path / "out.mp4", "format": "gif"}, "gif"),
        ({"target": tmp_path / "out.webm", "codec": "libx264"}, "libvpx-vp9"),
        ({"target": tmp_path / "out.mp4", "crf": 99}, "0 to 51"),
        ({"target": tmp_path / "out.mp4", "time_base": Fraction(0)}, "time base"),
        ({"target": tmp_path / "out.mp4", "time_base": Fraction(1, 2**40)}, "time base"),
        ({"target": tmp_path / "out.mp4", "width": 0}, "0x48"),
    ]:
        with pytest.raises(OptionError, match=message):
            write(**options)
    assert names(tmp_path) == []


def test_mp4_does_not_go_into_a_pipe():
    out, into = os.pipe()
    os.close(out)
    with os.fdopen(into, "wb") as pipe, pytest.raises(OptionError, match="pipe"):
        write(pipe, format="mp4")


def test_an_existing_file_is_refused_before_any_work(tmp_path):
    path = tmp_path / "out.mp4"
    path.write_bytes(b"old")
    with pytest.raises(OutputExists):
        write(path)
    assert path.read_bytes() == b"old"
    write(path, overwrite=True)
    assert len(read(path)[1]) == len(TIMES)
    assert names(tmp_path) == ["out.mp4"]


@pytest.mark.parametrize("extension", ["mp4", "mkv", "webm", "y4m", "rgb"])
def test_an_abort_leaves_nothing(tmp_path, extension):
    def fail() -> None:
        options = {"width": WIDTH, "height": HEIGHT, "time_base": NTSC}
        with MediaWriter(tmp_path / f"out.{extension}", **options) as out:
            out.write(0, gradient())
            out.write(1001, gradient())
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert names(tmp_path) == []


def test_an_abort_writes_no_trailer_to_a_given_file():
    file = io.BytesIO()
    out = MediaWriter(file, format="mkv", width=WIDTH, height=HEIGHT, time_base=NTSC)
    out.write(0, gradient())
    out.abort()
    size = len(file.getvalue())
    del out
    assert len(file.getvalue()) == size
    assert not file.closed


@pytest.mark.parametrize("format", ["mkv", "mp4", "y4m", "rgb"])
def test_a_full_disk(format):
    class Full(io.BytesIO):
        def write(self, data) -> int:
            if self.tell() + len(data) > 2000:
                raise OSError(28, "No space left on device")
            return super().write(data)

    times = list(range(40))
    with pytest.raises(OutputFailed, match="No space"):
        write(Full(), times, None, format=format, crf=1, width=256, height=256)


@pytest.mark.parametrize("format", ["mkv", "y4m", "rgb"])
def test_a_full_device(format):
    with Path("/dev/full").open("wb", buffering=0) as full, pytest.raises(OutputFailed):
        write(full, format=format)
    with pytest.raises(OutputFailed):
        write("/dev/full", format=format)


def test_a_closed_pipe():
    out, into = os.pipe()
    os.close(out)
    with os.fdopen(into, "wb", buffering=0) as pipe, pytest.raises(OutputFailed):
        write(pipe, format="rgb")


def test_no_permission(tmp_path):
    with pytest.raises(OutputFailed):
        write(tmp_path / "missing" / "out.mp4")


def test_wrong_pictures_are_refused(tmp_path):
    with MediaWriter(tmp_path / "out.rgb", width=WIDTH, height=HEIGHT, time_base=NTSC) as out:
        out.write(0, gradient())
        with pytest.raises(ValueError, match="does not increase"):
            out.write(0, gradient())
        with pytest.raises(ValueError, match="expected uint8"):
            out.write(1, gradient(32, 32))
        with pytest.raises(ValueError, match="expected uint8"):
            out.write(1, gradient().astype(np.float32))
        with pytest.raises(ValueError, match="without audio"):
            out.write_audio(0, b"x", 960)


def test_the_audio_header_is_the_given_one(tmp_path):
    head = (
        b"OpusHead" + bytes([1, 2]) + (1000).to_bytes(2, "little") + (44100).to_bytes(4, "little")
    )
    parameters = OpusParameters.from_extradata(head + bytes(3))
    for extension in ("mp4", "mkv", "webm"):
        path = tmp_path / f"out.{extension}"
        options = {"width": WIDTH, "height": HEIGHT, "time_base": NTSC, "audio": parameters}
        with MediaWriter(path, **options) as out:
            out.write(0, gradient())
            for index in range(10):
                out.write_audio(index * 960, b"\xfc\xff\xfe", 960)
        with av.open(str(path)) as container:
            audio = container.streams.audio[0]
            assert audio.codec_context.channels == 2
            written = OpusParameters.from_extradata(audio.codec_context.extradata)
            assert (written.channels, written.pre_skip) == (2, 1000)
            sizes = [block.samples for block in container.decode(audio)]
        assert sum(sizes) == pytest.approx(9600 - 1000, abs=48)
