"""Pictures <-> OBUs."""

from __future__ import annotations

import os

import numpy as np
import pytest

from imfcodec.errors import CorruptStream, KeyframeCodecError, LimitExceeded
from imfcodec.keyframe import Av1PictureDecoder, Av1PictureEncoder
from imfcodec.keyframe.obu import SEQUENCE_HEADER, split_units
from tests.conftest import moving_picture


def psnr(a: np.ndarray, b: np.ndarray) -> float:
    return float(10 * np.log10(255**2 / np.square(a.astype(float) - b).mean()))


@pytest.fixture(scope="module")
def coded() -> tuple[bytes, bytes]:
    return Av1PictureEncoder(64, 64).encode(moving_picture(3), 20)


def test_round_trip(coded: tuple[bytes, bytes]) -> None:
    sequence, data = coded
    picture = Av1PictureDecoder(64, 64, sequence).decode(data)
    assert picture.shape == (64, 64, 3)
    assert psnr(picture, moving_picture(3)) > 30
    assert abs(float(picture.mean() - moving_picture(3).mean())) < 1.0


def test_quality_follows_crf() -> None:
    encoder = Av1PictureEncoder(64, 64)
    sizes, qualities = [], []
    for crf in (10, 35, 60):
        sequence, data = encoder.encode(moving_picture(0), crf)
        sizes.append(len(data))
        qualities.append(psnr(Av1PictureDecoder(64, 64, sequence).decode(data), moving_picture(0)))
    assert sizes == sorted(sizes, reverse=True)
    assert qualities == sorted(qualities, reverse=True)


def test_same_bytes_twice(coded: tuple[bytes, bytes]) -> None:
    assert Av1PictureEncoder(64, 64).encode(moving_picture(3), 20) == coded


def test_sequence_header_is_apart(coded: tuple[bytes, bytes]) -> None:
    sequence, data = coded
    assert [k for k, _ in split_units(sequence)] == [SEQUENCE_HEADER]
    assert SEQUENCE_HEADER not in [k for k, _ in split_units(data)]


def test_scheduling_class_survives() -> None:
    before = os.sched_getscheduler(0)
    Av1PictureEncoder(64, 64).encode(moving_picture(0), 50)
    assert os.sched_getscheduler(0) == before


def test_wrong_size_is_refused(coded: tuple[bytes, bytes]) -> None:
    sequence, data = coded
    with pytest.raises((LimitExceeded, CorruptStream)):
        Av1PictureDecoder(32, 32, sequence).decode(data)


@pytest.mark.parametrize("cut", [0, 1, 5, 20])
def test_cut_data_is_our_error(coded: tuple[bytes, bytes], cut: int) -> None:
    sequence, data = coded
    with pytest.raises(CorruptStream):
        Av1PictureDecoder(64, 64, sequence).decode(data[:cut])


def test_two_pictures_are_not_one(coded: tuple[bytes, bytes]) -> None:
    sequence, data = coded
    with pytest.raises(CorruptStream):
        Av1PictureDecoder(64, 64, sequence).decode(data + b"\x12\x00" + data)


@pytest.mark.parametrize("data", [b"\x30", b"\x32\xff\xff\xff\xff\xff", b"\x32\x05\x00"])
def test_broken_units(data: bytes) -> None:
    with pytest.raises(KeyframeCodecError):
        split_units(data)
