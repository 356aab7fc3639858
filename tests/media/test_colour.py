from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from av import VideoFormat, VideoFrame

from imfcodec.errors import UnsupportedVideo
from imfcodec.media import MediaReader, resize
from imfcodec.media.colour import resolve_colour
from imfcodec.media.convert import Matrix, YuvConverter
from imfcodec.media.tone_mapping import to_sdr

from .samples import (
    encode,
    exact_yuv,
    frame_of,
    gradient,
    grey_ramp,
    halve,
    rgb_frames,
)

FORMATS = [
    ("yuv420p", 8),
    ("yuv422p", 8),
    ("yuv444p", 8),
    ("yuv420p10le", 10),
    ("yuv422p10le", 10),
    ("yuv444p10le", 10),
]


def read_one(path: Path, **kwargs) -> tuple[np.ndarray, MediaReader]:
    with MediaReader(path, audio="none", **kwargs) as reader:
        (picture,) = list(reader.events())
    return picture.rgb, reader


def yuv_frame(rgb: np.ndarray, pix_fmt: str, matrix: int, full: bool, bits: int) -> VideoFrame:
    luma, *chroma = exact_yuv(rgb, matrix, full, bits)
    if "444" not in pix_fmt:
        chroma = [halve(plane, "420" in pix_fmt) for plane in chroma]
    return frame_of([luma, *chroma], pix_fmt)


@pytest.mark.parametrize("full", [False, True], ids=["limited", "full"])
@pytest.mark.parametrize("matrix", [1, 6, 9], ids=["bt709", "bt601", "bt2020"])
@pytest.mark.parametrize(("pix_fmt", "bits"), FORMATS)
def test_yuv_comes_back_as_the_rgb_it_was_made_from(tmp_path, pix_fmt, bits, matrix, full):
    rgb = gradient(128, 96)
    path = tmp_path / "in.mkv"
    tags = {"colorspace": matrix, "color_range": 2 if full else 1}
    # Untagged chroma counts as centred, as libav has it; H.264 is left-sited by definition.
    siting = {"chroma_sample_location": "left"}
    encode(path, [yuv_frame(rgb, pix_fmt, matrix, full, bits)], tags=tags, options=siting)
    back, reader = read_one(path)
    error = back.astype(int) - rgb
    assert reader.info.colour.matrix == matrix
    assert reader.info.colour.full_range == full
    assert reader.info.bit_depth == bits
    assert abs(error.mean()) < 0.15
    assert np.abs(error.mean(axis=(0, 1))).max() < 0.3
    assert np.abs(error).max() <= 3


def test_tags_in_the_h264_stream_count(tmp_path):
    rgb = gradient(128, 96)
    path = tmp_path / "in.mp4"
    tags = {"colorspace": 1, "color_range": 2, "color_trc": 13, "color_primaries": 1}
    encode(
        path,
        [yuv_frame(rgb, "yuv420p", 1, True, 8)],
        codec="libx264",
        options={"qp": "0"},
        tags=tags,
    )
    back, reader = read_one(path)
    colour = reader.info.colour
    assert (colour.matrix, colour.transfer, colour.primaries, colour.full_range) == (1, 13, 1, True)
    assert abs((back.astype(int) - rgb).mean()) < 0.15


@pytest.mark.parametrize(("size", "matrix"), [((96, 64), 6), ((64, 800), 6), ((752, 720), 1)])
def test_untagged_video_goes_by_its_lines(tmp_path, size, matrix):
    rgb = gradient(*size)
    path = tmp_path / "in.mkv"
    encode(path, [yuv_frame(rgb, "yuv444p", matrix, False, 8)])
    back, reader = read_one(path)
    assert reader.info.colour.matrix == matrix
    assert not reader.info.colour.full_range
    assert np.abs(back.astype(int) - rgb).max() <= 2


@pytest.mark.parametrize(
    ("pix_fmt", "av_range", "full", "matrix"),
    [
        ("yuvj420p", 0, True, 6),
        ("yuv420p", 0, False, 6),
        ("yuv420p", 2, True, 6),
        ("gray", 0, True, 6),
        ("gray", 1, False, 6),
        ("rgb24", 0, True, 0),
        ("pal8", 0, True, 0),
    ],
)
def test_gaps_in_the_tags(pix_fmt, av_range, full, matrix):
    colour = resolve_colour(VideoFormat(pix_fmt), 640, 480, av_range=av_range)
    assert (colour.full_range, colour.matrix) == (full, matrix)
    assert 2 not in (colour.transfer, colour.primaries)


def test_a_matrix_without_conversion_is_refused():
    with pytest.raises(UnsupportedVideo, match="14"):
        resolve_colour(VideoFormat("yuv420p10le"), 64, 64, matrix=14)


@pytest.mark.parametrize("pix_fmt", ["gray", "gray10le"])
@pytest.mark.parametrize("full", [False, True], ids=["limited", "full"])
def test_grey(tmp_path, pix_fmt, full):
    rgb = grey_ramp()
    bits = 10 if "10" in pix_fmt else 8
    luma = exact_yuv(rgb, 6, full, bits)[0]
    path = tmp_path / "in.mkv"
    encode(path, [frame_of([luma], pix_fmt)], tags={"color_range": 2 if full else 1})
    back, _ = read_one(path)
    error = back.astype(int) - rgb
    assert abs(error.mean()) < 0.3
    assert np.abs(error).max() <= 1


def test_rgb_is_exact(tmp_path):
    path = tmp_path / "in.mkv"
    encode(path, rgb_frames([gradient()]))
    back, reader = read_one(path)
    assert np.array_equal(back, gradient())
    assert reader.info.colour.matrix == 0


def test_alpha_is_composed_on_black(tmp_path):
    path = tmp_path / "in.mkv"
    frame = yuv_frame(gradient(), "yuva444p", 1, False, 8)
    alpha = np.zeros((frame.height, frame.planes[3].line_size), np.uint8)
    alpha[:, : frame.width // 2] = 255
    frame.planes[3].update(alpha.tobytes())
    encode(path, [frame], tags={"colorspace": 1, "color_range": 1})
    back, reader = read_one(path)
    half = gradient().shape[1] // 2
    assert np.abs(back[:, : half - 2].astype(int) - gradient()[:, : half - 2]).mean() < 2
    assert back[:, half + 2 :].max() == 0
    assert any("transparency" in warning for warning in reader.warnings)


@pytest.mark.parametrize("transfer", [16, 18])
def test_hdr_is_tone_mapped(tmp_path, transfer):
    """A grey ramp stays grey, rises, is brighter than its clipped code values, and rolls off."""
    path = tmp_path / "in.mkv"
    tags = {"colorspace": 9, "color_trc": transfer, "color_primaries": 9, "color_range": 1}
    ramp = np.linspace(0, 255, 256).round().astype(np.uint8)
    grey = np.broadcast_to(ramp[None, :, None], (64, 256, 3)).copy()
    encode(path, [yuv_frame(grey, "yuv420p10le", 9, False, 10)], tags=tags)
    back, reader = read_one(path)
    assert any("tone-mapped" in warning for warning in reader.warnings)
    line = back[32].astype(int)
    assert np.ptp(line, axis=1).max() <= 4
    luma = line.mean(1)
    assert (np.diff(luma) > -2).all()
    # At the peak of 1000 nits all is white: the end of HLG, three quarters of PQ.
    peak = 255 if transfer == 18 else 192
    # Highlights keep their gradation.
    assert luma[peak - 3] >= luma[peak - 30] > luma[peak - 50] > luma[peak - 70] + 5
    assert luma[peak - 1] > 250
    assert luma[5] < 20
    white = 191 if transfer == 18 else 148  # 203 nits
    assert 220 < luma[white] < 240


def test_wide_gamut_is_mapped(tmp_path):
    path = tmp_path / "in.mkv"
    tags = {"colorspace": 9, "color_trc": 14, "color_primaries": 9, "color_range": 1}
    red = np.full((64, 64, 3), (180, 90, 90), np.uint8)
    encode(path, [yuv_frame(red, "yuv420p10le", 9, False, 10)], tags=tags)
    back, reader = read_one(path)
    r, g, _ = back[32, 32].astype(int)
    assert r - g > 100  # 90 if the primaries were taken for BT.709
    assert any("wide-gamut" in warning for warning in reader.warnings)


@pytest.mark.parametrize("matrix", [Matrix.BT709, Matrix.SMPTE170M])
def test_rgb_becomes_the_yuv_of_the_book(matrix):
    rgb = gradient(128, 96)
    frame = YuvConverter(128, 96, "yuv444p", matrix).convert(rgb, 3, 1)
    assert frame.pts == 3
    for plane, exact in zip(frame.planes, exact_yuv(rgb, matrix, False, 8), strict=True):
        samples = np.frombuffer(plane, np.uint8).reshape(96, -1)[:, :128].astype(int)
        assert abs((samples - exact).mean()) < 0.05
        assert np.abs(samples - exact).max() <= 1


def test_written_chroma_lies_to_the_left():
    x = np.arange(128)
    wave = 50 * np.sin(2 * np.pi * x / 32)
    row = np.stack([128 + wave, 128 - wave * 0.2126 / 0.7152, np.full(128, 128.0)], -1)
    rgb = np.rint(np.broadcast_to(row, (32, 128, 3))).astype(np.uint8)
    plane = YuvConverter(128, 32, "yuv420p", Matrix.BT709).convert(rgb, 0, 1).planes[2]
    samples = np.frombuffer(plane, np.uint8).reshape(16, -1)[8, :64].astype(float)
    spectrum = np.fft.fft(samples)[4]
    expected = np.fft.fft(np.sin(2 * np.pi * x[::2] / 32))[4]
    shift_pixels = np.angle(expected / spectrum) * 32 / (2 * np.pi)
    assert abs(shift_pixels) < 0.1


def test_scaling_while_converting_is_unbiased(tmp_path):
    rgb = gradient(256, 192)
    path = tmp_path / "in.mkv"
    encode(path, [yuv_frame(rgb, "yuv420p", 1, False, 8)], tags={"colorspace": 1, "color_range": 1})
    for size in [(128, 96), (320, 240), (256, 192)]:
        back, _ = read_one(path, size=size)
        assert back.shape == (size[1], size[0], 3)
        error = back.astype(int) - gradient(*size)
        assert abs(error.mean()) < 0.3
        assert np.abs(error).max() <= 4


@pytest.mark.parametrize("size", [(32, 32), (64, 64), (97, 45)])
def test_resize_keeps_a_flat_colour(size):
    flat = np.full((64, 64, 3), (13, 200, 77), np.uint8)
    scaled = resize(flat, size)
    assert scaled.shape == (size[1], size[0], 3)
    assert np.array_equal(np.unique(scaled.reshape(-1, 3), axis=0), [[13, 200, 77]])
    assert (scaled is flat) == (size == (64, 64))


@pytest.mark.parametrize(
    ("transfer", "signal", "nits"),
    [(16, 0.5081, 100), (16, 0.5807, 203), (16, 0.7518, 1000), (18, 0.75, 203), (18, 1.0, 1000)],
)
def test_tone_mapping_knows_the_signals_of_the_book(transfer, signal, nits):
    """BT.2408, table 1: what is above the knee is darker than it was, below as bright."""
    value = float(to_sdr(np.full((1, 3), signal), transfer)[0, 0])
    shown = 203 * value**2.4
    assert shown == pytest.approx(nits, rel=0.12) if nits <= 100 else shown <= 203.5
    if nits == 203:
        assert 140 < shown < 180
    if nits == 1000:
        assert shown == pytest.approx(203, rel=0.01)
