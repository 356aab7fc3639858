from __future__ import annotations

import io
from fractions import Fraction

import numpy as np
import pytest

from imfcodec.media import MediaReader, MediaWriter, OpusParameters

from .samples import HEIGHT, WIDTH, gradient

HEAD = b"OpusHead" + bytes([1, 1]) + (312).to_bytes(2, "little") + bytes(7)


def write(target, times, **options) -> MediaWriter:
    width, height = options.get("width", WIDTH), options.get("height", HEIGHT)
    options = {
        "width": width,
        "height": height,
        "time_base": Fraction(1, 1000),
        "rate": Fraction(25),
        **options,
    }
    with MediaWriter(target, **options) as out:
        for step, pts in enumerate(times):
            out.write(pts, gradient(width, height, step))
    return out


def test_rgb_is_the_pictures_in_a_row():
    file = io.BytesIO()
    out = write(file, [0, 40, 80], format="rgb")
    pictures = np.frombuffer(file.getvalue(), np.uint8).reshape(3, HEIGHT, WIDTH, 3)
    assert all(np.array_equal(picture, gradient(step=n)) for n, picture in enumerate(pictures))
    assert out.warnings == []


@pytest.mark.parametrize("format", ["rgb", "y4m"])
def test_picture_is_on_its_way_at_once(format):
    raw = io.BytesIO()
    options = {"width": WIDTH, "height": HEIGHT, "time_base": Fraction(1, 25)}
    with MediaWriter(io.BufferedRandom(raw), format=format, **options) as out:
        for count in range(1, 4):
            out.write(count, gradient(WIDTH, HEIGHT))
            assert (
                len(raw.getvalue()) // (WIDTH * HEIGHT * 3 // (2 if format == "y4m" else 1))
                == count
            )


@pytest.mark.parametrize("size", [(64, 48), (63, 47), (1280, 720)])
def test_y4m_reads_back(tmp_path, size):
    path = tmp_path / "out.y4m"
    out = write(
        path, [0, 40, 80], width=size[0], height=size[1], sample_aspect_ratio=Fraction(4, 3)
    )
    assert out.warnings == []
    with MediaReader(path, audio="none") as media:
        frames = list(media.events())
    info = media.info
    assert (info.width, info.height) == size
    assert info.average_rate == 25
    assert info.sample_aspect_ratio == Fraction(4, 3)
    assert info.colour.matrix == (1 if size[1] >= 720 else 6)
    assert not info.colour.full_range
    assert [frame.pts * info.time_base for frame in frames] == [0, Fraction(1, 25), Fraction(2, 25)]
    for step, frame in enumerate(frames):
        error = frame.rgb.astype(int) - gradient(*size, step)
        assert np.abs(error.mean(axis=(0, 1))).max() < 0.3
        assert np.abs(error).max() <= 4


def test_y4m_header():
    file = io.BytesIO()
    write(file, [0], format="y4m", rate=Fraction(30000, 1001))
    header, rest = file.getvalue().split(b"\n", 1)
    assert header == b"YUV4MPEG2 W64 H48 F30000:1001 Ip A1:1 C420mpeg2 XCOLORRANGE=LIMITED"
    assert len(rest) == len(b"FRAME\n") + WIDTH * HEIGHT * 3 // 2


@pytest.mark.parametrize("format", ["y4m", "rgb"])
def test_losses_are_named(format):
    out = write(
        io.BytesIO(),
        [0, 40, 200],
        format=format,
        rate=None,
        audio=OpusParameters.from_extradata(HEAD),
    )
    text = " ".join(out.warnings)
    assert "sound" in text
    assert "variable frame rate" in text
    assert "assumes 25" in text
    assert len(out.warnings) == 3


def test_rounded_ticks_are_no_variable_rate():
    times = [round(n * 1000 / 30) for n in range(30)]
    out = write(io.BytesIO(), times, format="rgb", rate=Fraction(30))
    assert out.warnings == []
