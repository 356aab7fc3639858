from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from imfcodec.media import MediaReader
from imfcodec.media.orientation import Orientation

from .samples import HEIGHT, WIDTH, corners, encode, rgb_frames

# av_display_rotation is counterclockwise, so is np.rot90; ours is clockwise.
TURNS = [(0, 0), (90, 270), (180, 180), (270, 90), (-90, 90)]


def read(path, **kwargs):
    with MediaReader(path, audio="none", **kwargs) as reader:
        return reader, [event.rgb for event in reader.events()]


@pytest.mark.parametrize(("counterclockwise", "clockwise"), TURNS)
@pytest.mark.parametrize("hflip", [False, True])
def test_rotation_is_applied(tmp_path, counterclockwise, clockwise, hflip):
    path = tmp_path / "in.mp4"
    frames = rgb_frames([corners()] * 2, "yuv420p")
    encode(
        path,
        frames,
        codec="libx264",
        options={"qp": "0"},
        rotation=counterclockwise,
        hflip=hflip,
        tags={"sample_aspect_ratio": Fraction(4, 3)},
    )
    reader, pictures = read(path)
    expected = np.rot90(corners(), counterclockwise // 90)
    if hflip:
        expected = expected[:, ::-1]
    quarter = clockwise in (90, 270)
    info = reader.info
    assert (info.width, info.height) == ((HEIGHT, WIDTH) if quarter else (WIDTH, HEIGHT))
    assert info.sample_aspect_ratio == (Fraction(3, 4) if quarter else Fraction(4, 3))
    assert info.mirrored == hflip
    if not hflip:
        assert info.rotation == clockwise
    assert len(pictures) == 2
    for picture in pictures:
        assert picture.shape == expected.shape
        assert picture.flags.c_contiguous
        assert np.abs(picture.astype(int) - expected).mean() < 4


def test_scaling_knows_the_rotation(tmp_path):
    path = tmp_path / "in.mp4"
    encode(path, rgb_frames([corners()], "yuv420p"), codec="libx264", rotation=90)
    _, (picture,) = read(path, size=(24, 32))
    assert picture.shape == (32, 24, 3)
    assert np.abs(picture[2:6, 2:6].astype(int) - (40, 200, 40)).max() < 20


def test_odd_angles_take_the_nearest_turn(tmp_path):
    path = tmp_path / "in.mp4"
    encode(path, rgb_frames([corners()], "yuv420p"), codec="libx264", rotation=80)
    reader, _ = read(path)
    assert reader.info.rotation == 270
    assert any("multiple of 90" in warning for warning in reader.warnings)


def test_a_matrix_of_zeros_is_upright():
    assert Orientation.from_matrix(bytes(36)) == Orientation()
