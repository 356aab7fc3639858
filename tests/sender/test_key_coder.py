"""When a picture that was to be predicted becomes independent after all."""

from __future__ import annotations

import numpy as np
import pytest

from imfcodec.keyframe import Av1PictureDecoder, Av1PictureEncoder
from imfcodec.sender.key_coder import KeyCoder
from imfcodec.sender.keyframe_policy import KeyKind
from tests.conftest import moving_picture

INDEPENDENT, PREDICTED = KeyKind.INDEPENDENT, KeyKind.PREDICTED
BLOCKS = np.random.default_rng(0).integers(0, 256, (16, 16, 3), np.uint8).repeat(4, 0).repeat(4, 1)


@pytest.fixture
def coder() -> KeyCoder:
    return KeyCoder((64, 64), crf=30, preset=4)


def test_predicted_pictures_share_a_base(coder: KeyCoder) -> None:
    base = coder.code(moving_picture(0), INDEPENDENT)
    for number in (4, 8):
        key = coder.code(moving_picture(number), PREDICTED)
        assert key.kind is PREDICTED
        again = Av1PictureDecoder(64, 64).decode(key.coded, [base.coded])
        assert np.array_equal(again, key.decoded)


def test_a_chain_needs_all_before(coder: KeyCoder) -> None:
    chain = [coder.code(moving_picture(0), INDEPENDENT).coded]
    for number in (4, 8, 12):
        key = coder.code(moving_picture(number), PREDICTED, chained=True)
        assert key.kind is PREDICTED
        assert key.chained == (len(chain) > 1)
        again = Av1PictureDecoder(64, 64).decode(key.coded, chain)
        assert np.array_equal(again, key.decoded)
        chain.append(key.coded)
    alone = coder.code(moving_picture(16), PREDICTED)
    assert not alone.chained
    assert np.array_equal(Av1PictureDecoder(64, 64).decode(alone.coded, chain[:1]), alone.decoded)
    behind = coder.code(moving_picture(20), PREDICTED, chained=True)
    earlier = [chain[0], alone.coded]
    assert np.array_equal(Av1PictureDecoder(64, 64).decode(behind.coded, earlier), behind.decoded)


def test_a_chain_ends_at_its_limit(coder: KeyCoder) -> None:
    coder.code(moving_picture(0), INDEPENDENT)
    keys = [coder.code(moving_picture(n % 9), PREDICTED, chained=True) for n in range(1, 18)]
    assert [key.kind for key in keys] == [PREDICTED] * 17
    assert [key.chained for key in keys] == [False] + [True] * 14 + [False, True]


def test_without_a_base_nothing_is_predicted(coder: KeyCoder) -> None:
    assert coder.code(moving_picture(0), PREDICTED).kind is INDEPENDENT


def test_what_prediction_does_not_help_is_the_next_base(coder: KeyCoder) -> None:
    coder.code(moving_picture(0), INDEPENDENT)
    base = coder.code(BLOCKS, PREDICTED)
    assert base.kind is INDEPENDENT
    key = coder.code(np.roll(BLOCKS, 1, 1), PREDICTED)
    assert key.kind is PREDICTED
    Av1PictureDecoder(64, 64).decode(key.coded, [base.coded])


def test_a_base_that_comes_out_otherwise_is_not_predicted_from(
    coder: KeyCoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    coder.code(moving_picture(0), INDEPENDENT)
    monkeypatch.setattr(Av1PictureEncoder, "predict", lambda *_: None)
    key = coder.code(moving_picture(4), PREDICTED)
    assert key.kind is INDEPENDENT
    assert np.array_equal(Av1PictureDecoder(64, 64).decode(key.coded), key.decoded)
