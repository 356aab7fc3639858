from __future__ import annotations

import numpy as np
import pytest

from imfcodec.bench.codecs.sampling import Sampling
from imfcodec.errors import UnsupportedVideo


def numbered(count: int, width: int = 96, height: int = 80) -> list[np.ndarray]:
    return [np.full((height, width, 3), n, np.uint8) for n in range(count)]


def levels(pictures) -> list[int]:
    return [int(p.mean()) for p in pictures]


@pytest.mark.parametrize(
    ("short_side", "expected"), [(None, (96, 80)), (64, (76, 64)), (40, (48, 40))]
)
def test_sizes_keep_the_shape_and_are_even(make_clip, short_side, expected) -> None:
    assert Sampling(short_side).size(make_clip()) == expected


@pytest.mark.parametrize("short_side", [80, 192])
def test_nothing_is_enlarged_for_coding(make_clip, short_side) -> None:
    with pytest.raises(UnsupportedVideo, match="short side of 80 px"):
        Sampling(short_side).size(make_clip())


def test_half_rate_leaves_out_every_second_frame(make_clip) -> None:
    clip = make_clip(frames=13)
    source = list(clip.pictures())
    coded = list(Sampling(half_rate=True).reduce(clip))
    np.testing.assert_array_equal(coded, source[::2])
    assert Sampling(half_rate=True).rate(clip) == clip.rate / 2


@pytest.mark.parametrize("frames", [12, 13])
def test_half_rate_gives_every_frame_back(make_clip, frames) -> None:
    clip = make_clip(frames=frames)
    decoded = numbered((frames + 1) // 2)
    assert levels(Sampling(half_rate=True).restore(decoded, clip)) == [
        n // 2 for n in range(frames)
    ]


@pytest.mark.parametrize("half_rate", [False, True])
def test_neither_lost_nor_surplus_pictures_are_hidden(make_clip, half_rate) -> None:
    clip = make_clip(frames=13)
    sampling = Sampling(half_rate=half_rate)
    right = 7 if half_rate else 13
    assert len(list(sampling.restore(numbered(right), clip))) == 13
    assert len(list(sampling.restore(numbered(right - 1), clip))) < 13
    assert len(list(sampling.restore(numbered(right + 1), clip))) > 13


def test_small_pictures_return_to_the_size_of_the_clip(make_clip) -> None:
    clip = make_clip()
    sampling = Sampling(40)
    coded = list(sampling.reduce(clip))
    assert {p.shape for p in coded} == {(40, 48, 3)}
    restored = np.stack(list(sampling.restore(coded, clip)))
    error = np.abs(restored.astype(int) - np.stack(list(clip.pictures())))
    assert error.mean() < 3  # the disc's edge is softer, nothing has moved
    np.testing.assert_allclose(error.mean((0, 1, 2)), 0, atol=3)


def test_odd_sides_are_padded_and_cropped(make_clip) -> None:
    clip = make_clip(width=95, height=81)
    coded = list(Sampling().reduce(clip))
    assert {p.shape for p in coded} == {(82, 96, 3)}
    np.testing.assert_array_equal(coded[0][:, -1], coded[0][:, -2])
    np.testing.assert_array_equal(list(Sampling().restore(coded, clip)), list(clip.pictures()))


def test_names_tell_samplings_apart() -> None:
    samplings = [Sampling(s, h) for s in (None, 128, 192) for h in (False, True)]
    assert len({s.suffix for s in samplings}) == len({s.label for s in samplings}) == 6
    assert Sampling(192, half_rate=True).suffix == "-192px-half"
