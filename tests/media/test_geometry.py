from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from imfcodec.errors import OptionError, UnsupportedVideo
from imfcodec.media import CodingGeometry
from imfcodec.media.geometry import MAX_CODED_PIXELS


@pytest.mark.parametrize(
    ("display", "scaled", "coded"),
    [
        ((256, 256), (256, 256), (256, 256)),
        ((1920, 1080), (455, 256), (480, 256)),
        ((1080, 1920), (256, 455), (256, 480)),
        ((200, 150), (200, 150), (224, 160)),
        ((64, 48), (85, 64), (96, 64)),
        ((1, 1), (64, 64), (64, 64)),
    ],
)
def test_sizes(display, scaled, coded):
    geometry = CodingGeometry.fit(*display)
    assert (geometry.scaled, geometry.coded) == (scaled, coded)


@given(width=st.integers(1, 4000), height=st.integers(1, 4000), short=st.integers(64, 512))
def test_sizes_of_any_picture(width, height, short):
    if max(width, height) > 16 * min(width, height):
        with pytest.raises(UnsupportedVideo):
            CodingGeometry.fit(width, height, short)
        return
    try:
        geometry = CodingGeometry.fit(width, height, short)
    except OptionError:
        target = max(64, min(short, width, height))
        long = target * max(width, height) / min(width, height)
        assert (target + 32) * (long + 32) > MAX_CODED_PIXELS
        return
    assert geometry.coded[0] * geometry.coded[1] <= MAX_CODED_PIXELS
    for scaled, coded in zip(geometry.scaled, geometry.coded, strict=True):
        assert 64 <= scaled <= coded < scaled + 32
        assert coded % 32 == 0
    assert min(geometry.scaled) == max(64, min(short, width, height))
    aspect = geometry.scaled[0] / geometry.scaled[1] / (width / height)
    assert abs(aspect - 1) < 0.01


@pytest.mark.parametrize("display", [(1920, 1080), (1080, 1920), (2048, 1024)])
def test_what_no_decoder_takes_is_not_coded(display):
    with pytest.raises(OptionError, match="limit of 1048576 pixels"):
        CodingGeometry.fit(*display, short_side=1024)
    assert CodingGeometry.fit(*display, short_side=704)


def test_the_largest_coded_size_is_taken():
    assert CodingGeometry.fit(4096, 256).coded == (4096, 256)
    assert CodingGeometry.fit(1024, 1024, short_side=1024).coded == (1024, 1024)


def test_pad_repeats_the_edge_and_crop_undoes_it():
    geometry = CodingGeometry.fit(200, 150)
    rgb = np.random.default_rng(1).integers(0, 256, (150, 200, 3), np.uint8)
    coded = geometry.pad(rgb)
    assert coded.shape == (160, 224, 3)
    assert (coded[150:, :200] == rgb[-1]).all()
    assert (coded[:150, 200:] == rgb[:, -1:]).all()
    assert np.array_equal(geometry.crop(coded), rgb)
    assert np.array_equal(geometry.to_coded(rgb), coded)
    assert np.array_equal(geometry.to_display(coded), rgb)


def test_nothing_to_do_is_nothing_done():
    geometry = CodingGeometry.fit(256, 256)
    rgb = np.zeros((256, 256, 3), np.uint8)
    assert geometry.to_coded(rgb) is rgb
    assert geometry.to_display(rgb) is rgb


def test_wrong_sizes_are_refused():
    geometry = CodingGeometry.fit(200, 150)
    with pytest.raises(ValueError, match="expected a picture"):
        geometry.pad(np.zeros((160, 224, 3), np.uint8))
    with pytest.raises(ValueError, match="expected a picture"):
        geometry.crop(np.zeros((150, 200, 3), np.uint8))
    with pytest.raises(OptionError):
        CodingGeometry.fit(200, 150, 32)
