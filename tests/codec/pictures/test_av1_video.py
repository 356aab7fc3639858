"""AV1 runs: pictures that lean on each other."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from imfcodec.codec.pictures.av1_video import VideoDecoder, encode_video
from imfcodec.codec.pictures.obu import DELIMITER, split_units
from imfcodec.errors import CorruptStream, LimitExceeded
from tests.conftest import moving_picture

SIZE = (96, 64)
PICTURES = [moving_picture(3 * n, *SIZE) for n in range(9)]
SHOW_AGAIN = bytes([0x1A, 1, 0x88])
"""A frame header that shows the picture in slot 0 once more."""


@pytest.fixture(scope="module")
def units() -> list[bytes]:
    return encode_video(PICTURES, Fraction(25, 2), 30, 8)


def test_round_trip(units: list[bytes]) -> None:
    assert len(units) == len(PICTURES)
    assert not any(unit[:2] == DELIMITER for unit in units)
    pictures = list(map(VideoDecoder(*SIZE).decode, units))
    for picture, source in zip(pictures, PICTURES, strict=True):
        assert picture.shape == (64, 96, 3)
        assert np.abs(picture.astype(int) - source).mean() < 4
    assert encode_video(PICTURES, Fraction(25, 2), 30, 8) == units


@pytest.mark.parametrize("count", [1, 2, 33])
@pytest.mark.parametrize("rate", [Fraction(1, 10_000), Fraction(30_000, 1001), Fraction(12_500)])
def test_any_length_and_rate(count: int, rate: Fraction) -> None:
    pictures = [moving_picture(n, *SIZE) for n in range(count)]
    assert len(list(map(VideoDecoder(*SIZE).decode, encode_video(pictures, rate, 60, 10)))) == count


def test_a_picture_of_another_size_is_refused(units: list[bytes]) -> None:
    for size in ((64, 96), (96, 128)):
        with pytest.raises((LimitExceeded, CorruptStream)):
            VideoDecoder(*size).decode(units[0])
    with pytest.raises((LimitExceeded, CorruptStream)):
        VideoDecoder(64, 64).decode(units[0])  # before memory is taken


@pytest.mark.parametrize(
    "garbage",
    [b"", b"\x00", b"\xff" * 30, DELIMITER, b"\x0a\x0b", bytes(range(256)), b"\x32\x05hello"],
)
def test_garbage(units: list[bytes], garbage: bytes) -> None:
    with pytest.raises(CorruptStream):
        VideoDecoder(*SIZE).decode(garbage)
    decoder = VideoDecoder(*SIZE)
    decoder.decode(units[0])
    with pytest.raises(CorruptStream):
        decoder.decode(garbage)


def test_a_video_does_not_begin_in_the_middle(units: list[bytes]) -> None:
    with pytest.raises(CorruptStream):
        VideoDecoder(*SIZE).decode(units[1])


def test_a_unit_shows_exactly_one_picture(units: list[bytes]) -> None:
    for wrong in (
        units[1] + units[2],
        units[1] + SHOW_AGAIN,
        units[1] + SHOW_AGAIN * 300_000,  # a bomb
        b"".join(unit for _, unit in split_units(units[1])[:-1]),
    ):
        decoder = VideoDecoder(*SIZE)
        decoder.decode(units[0])
        with pytest.raises(CorruptStream, match="pictures instead of 1"):
            decoder.decode(wrong)


def test_random_damage_is_survived(units: list[bytes]) -> None:
    rng = np.random.default_rng(0)
    for _ in range(150):
        decoder = VideoDecoder(*SIZE)
        number = int(rng.integers(len(units)))
        for n, unit in enumerate(units):
            data = bytearray(unit)
            if n == number:
                data[rng.integers(len(data))] ^= 1 << int(rng.integers(8))
            try:
                assert decoder.decode(bytes(data)).shape == (64, 96, 3)
            except (CorruptStream, LimitExceeded):
                break
