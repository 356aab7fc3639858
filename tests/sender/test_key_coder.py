"""When a picture that was to be predicted becomes independent after all."""

from __future__ import annotations

import numpy as np
import pytest

from imfcodec.bitstream import KEY_CODEC_AV1
from imfcodec.codec.pictures import PICTURE_CODECS, Av1PictureDecoder, Av1PictureEncoder
from imfcodec.sender.key_coder import KeyCoder
from imfcodec.sender.segment import KeyKind
from imfcodec.sender.source_frame import SourceFrame
from tests.conftest import moving_picture

INDEPENDENT, PREDICTED = KeyKind.INDEPENDENT, KeyKind.PREDICTED
BLOCKS = np.random.default_rng(0).integers(0, 256, (16, 16, 3), np.uint8).repeat(4, 0).repeat(4, 1)


def frame(number: int) -> SourceFrame:
    return SourceFrame(number, number, moving_picture(number % 24))


def blocks(number: int, shift: int = 0) -> SourceFrame:
    return SourceFrame(number, number, np.roll(BLOCKS, shift, 1))


@pytest.fixture
def coder() -> KeyCoder:
    return KeyCoder(PICTURE_CODECS[KEY_CODEC_AV1], (64, 64), preset=4, chains=False)


@pytest.fixture
def chaining() -> KeyCoder:
    return KeyCoder(PICTURE_CODECS[KEY_CODEC_AV1], (64, 64), preset=4, chains=True)


def test_predicted_pictures_share_a_base(coder: KeyCoder) -> None:
    base = coder.code(frame(0), INDEPENDENT, 30)
    for number in (4, 8, 12):
        key = coder.code(frame(number), PREDICTED, 30)
        assert key.kind is PREDICTED
        assert not key.chained
        again = Av1PictureDecoder(64, 64).decode(key.coded, [base.coded])
        assert np.array_equal(again, key.decoded)


def test_a_chain_needs_all_before(chaining: KeyCoder) -> None:
    chain = [chaining.code(frame(0), INDEPENDENT, 30).coded]
    for number in (4, 8, 12):
        key = chaining.code(frame(number), PREDICTED, 30)
        assert key.kind is PREDICTED
        assert key.chained == (len(chain) > 1)
        again = Av1PictureDecoder(64, 64).decode(key.coded, chain)
        assert np.array_equal(again, key.decoded)
        chain.append(key.coded)


def test_a_chain_ends_at_its_limit(chaining: KeyCoder) -> None:
    chaining.code(frame(0), INDEPENDENT, 30)
    keys = [chaining.code(frame(number), PREDICTED, 30) for number in range(1, 18)]
    assert [key.kind for key in keys] == [PREDICTED] * 17
    assert [key.chained for key in keys] == [False] + [True] * 14 + [False, True]


def test_no_link_hangs_on_one_that_could_be_taken_for_another(chaining: KeyCoder) -> None:
    """Origins are named by the low eight bits of their numbers."""
    base = chaining.code(frame(1), INDEPENDENT, 30)
    assert [chaining.code(frame(n), PREDICTED, 30).chained for n in (129, 257)] == [False, True]
    key = chaining.code(frame(300), PREDICTED, 30)
    assert not key.chained
    again = Av1PictureDecoder(64, 64).decode(key.coded, [base.coded])
    assert np.array_equal(again, key.decoded)
    behind = chaining.code(frame(304), PREDICTED, 30)
    assert behind.chained
    again = Av1PictureDecoder(64, 64).decode(behind.coded, [base.coded, key.coded])
    assert np.array_equal(again, behind.decoded)


def test_without_a_base_nothing_is_predicted(coder: KeyCoder) -> None:
    assert coder.code(frame(0), PREDICTED, 30).kind is INDEPENDENT


def test_what_prediction_does_not_help_is_the_next_base(coder: KeyCoder) -> None:
    coder.code(frame(0), INDEPENDENT, 30)
    base = coder.code(blocks(1), PREDICTED, 30)
    assert base.kind is INDEPENDENT
    key = coder.code(blocks(2, shift=1), PREDICTED, 30)
    assert key.kind is PREDICTED
    Av1PictureDecoder(64, 64).decode(key.coded, [base.coded])


def test_a_base_that_comes_out_otherwise_is_not_predicted_from(
    coder: KeyCoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    coder.code(frame(0), INDEPENDENT, 30)
    monkeypatch.setattr(Av1PictureEncoder, "predict", lambda *_: None)
    key = coder.code(frame(4), PREDICTED, 30)
    assert key.kind is INDEPENDENT
    assert np.array_equal(Av1PictureDecoder(64, 64).decode(key.coded), key.decoded)
