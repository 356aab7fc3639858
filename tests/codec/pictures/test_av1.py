"""Pictures <-> OBUs."""

from __future__ import annotations

import os

import numpy as np
import pytest

from imfcodec.codec.pictures import Av1PictureDecoder, Av1PictureEncoder, CodedPicture
from imfcodec.codec.pictures.obu import SEQUENCE_HEADER, split_units
from imfcodec.errors import CorruptStream, KeyframeCodecError, LimitExceeded
from tests.conftest import moving_picture


def psnr(a: np.ndarray, b: np.ndarray) -> float:
    return float(10 * np.log10(255**2 / np.square(a.astype(float) - b).mean()))


@pytest.fixture(scope="module")
def coded() -> CodedPicture:
    return Av1PictureEncoder(64, 64).encode(moving_picture(3), 20)


@pytest.fixture(scope="module")
def predicted(coded: CodedPicture) -> CodedPicture:
    picture = Av1PictureEncoder(64, 64).predict([(moving_picture(3), coded)], moving_picture(9), 20)
    assert picture is not None
    return picture


def test_round_trip(coded: CodedPicture) -> None:
    picture = Av1PictureDecoder(64, 64).decode(coded)
    assert picture.shape == (64, 64, 3)
    assert psnr(picture, moving_picture(3)) > 30
    assert abs(float(picture.mean() - moving_picture(3).mean())) < 1.0


def test_quality_follows_crf() -> None:
    encoder = Av1PictureEncoder(64, 64)
    sizes, qualities = [], []
    for crf in (10, 35, 60):
        picture = encoder.encode(moving_picture(0), crf)
        sizes.append(len(picture.data))
        qualities.append(psnr(Av1PictureDecoder(64, 64).decode(picture), moving_picture(0)))
    assert sizes == sorted(sizes, reverse=True)
    assert qualities == sorted(qualities, reverse=True)


def test_a_quality_between_two_integers() -> None:
    encoder = Av1PictureEncoder(64, 64)
    sizes = [len(encoder.encode(moving_picture(0), crf).data) for crf in (10, 10.5, 11)]
    assert sizes[0] > sizes[1] > sizes[2]
    assert encoder.encode(moving_picture(0), 10.6) == encoder.encode(moving_picture(0), 10.5)


def test_same_bytes_twice(coded: CodedPicture) -> None:
    assert Av1PictureEncoder(64, 64).encode(moving_picture(3), 20) == coded


def test_sequence_header_is_apart(coded: CodedPicture) -> None:
    assert [k for k, _ in split_units(coded.config)] == [SEQUENCE_HEADER]
    assert SEQUENCE_HEADER not in [k for k, _ in split_units(coded.data)]


def test_scheduling_class_survives(coded: CodedPicture) -> None:
    before = os.sched_getscheduler(0)
    Av1PictureEncoder(64, 64).predict([(moving_picture(3), coded)], moving_picture(0), 20)
    assert os.sched_getscheduler(0) == before


def test_a_predicted_picture_is_small_and_comes_back(
    coded: CodedPicture, predicted: CodedPicture
) -> None:
    assert predicted.config == b""
    assert len(predicted.data) < 0.7 * len(coded.data)
    picture = Av1PictureDecoder(64, 64).decode(predicted, [coded])
    assert psnr(picture, moving_picture(9)) > 27
    assert psnr(picture, moving_picture(9)) > psnr(picture, moving_picture(3)) + 5


@pytest.mark.parametrize("crf", [1, 40, 63])
def test_predicted_pictures_follow_crf_up_to_its_ends(crf: int) -> None:
    encoder = Av1PictureEncoder(64, 64)
    base = encoder.encode(moving_picture(3), crf)
    picture = encoder.predict([(moving_picture(3), base)], moving_picture(9), crf)
    assert picture is not None
    assert Av1PictureDecoder(64, 64).decode(picture, [base]).shape == (64, 64, 3)


def test_same_predicted_bytes_twice(coded: CodedPicture, predicted: CodedPicture) -> None:
    """As for any other pictures in between: the encoder keeps nothing."""
    encoder = Av1PictureEncoder(64, 64)
    encoder.predict([(moving_picture(3), coded)], moving_picture(20), 20)
    assert encoder.predict([(moving_picture(3), coded)], moving_picture(9), 20) == predicted


def test_a_pair_is_both_pictures(coded: CodedPicture, predicted: CodedPicture) -> None:
    pair = Av1PictureEncoder(64, 64).encode_pair(moving_picture(3), moving_picture(9), 20)
    assert pair == (coded, predicted)


def test_nothing_is_predicted_from_a_base_that_comes_out_otherwise(coded: CodedPicture) -> None:
    encoder = Av1PictureEncoder(64, 64)
    assert encoder.predict([(moving_picture(3), coded)], moving_picture(9), 21) is None
    assert encoder.predict([(moving_picture(4), coded)], moving_picture(9), 20) is None


def test_a_predicted_picture_needs_its_base(predicted: CodedPicture) -> None:
    with pytest.raises(CorruptStream):
        Av1PictureDecoder(64, 64).decode(predicted)


def test_a_predicted_picture_of_another_size_is_refused(coded: CodedPicture) -> None:
    other = Av1PictureEncoder(96, 64).encode(moving_picture(0, 96, 64), 40)
    with pytest.raises((LimitExceeded, CorruptStream)):
        Av1PictureDecoder(64, 64).decode(CodedPicture(b"", other.config + other.data), [coded])


def test_several_predicted_pictures_are_not_one(
    coded: CodedPicture, predicted: CodedPicture
) -> None:
    double = CodedPicture(b"", predicted.data + b"\x12\x00" + predicted.data)
    with pytest.raises(CorruptStream):
        Av1PictureDecoder(64, 64).decode(double, [coded])


@pytest.mark.parametrize("cut", [0, 1, 5, 20])
def test_cut_predicted_data_is_our_error(
    coded: CodedPicture, predicted: CodedPicture, cut: int
) -> None:
    with pytest.raises(CorruptStream):
        Av1PictureDecoder(64, 64).decode(CodedPicture(b"", predicted.data[:cut]), [coded])


def test_wrong_size_is_refused(coded: CodedPicture) -> None:
    with pytest.raises(LimitExceeded, match="64x64"):
        Av1PictureDecoder(128, 64).decode(coded)


def test_a_larger_picture_is_refused_before_it_is_decoded(coded: CodedPicture) -> None:
    with pytest.raises(CorruptStream, match="does not decode"):
        Av1PictureDecoder(32, 32).decode(coded)


@pytest.mark.parametrize("cut", [0, 1, 5, 20])
def test_cut_data_is_our_error(coded: CodedPicture, cut: int) -> None:
    with pytest.raises(CorruptStream):
        Av1PictureDecoder(64, 64).decode(CodedPicture(coded.config, coded.data[:cut]))


def test_two_pictures_are_not_one(coded: CodedPicture) -> None:
    double = CodedPicture(coded.config, coded.data + b"\x12\x00" + coded.data)
    with pytest.raises(CorruptStream):
        Av1PictureDecoder(64, 64).decode(double)


@pytest.mark.parametrize("data", [b"\x30", b"\x32\xff\xff\xff\xff\xff", b"\x32\x05\x00"])
def test_broken_units(data: bytes) -> None:
    with pytest.raises(KeyframeCodecError):
        split_units(data)
