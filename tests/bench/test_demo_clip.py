from __future__ import annotations

import sys
from fractions import Fraction
from itertools import islice

import numpy as np
import pytest

from imfcodec.bench.demo_clip import demo_frames, write_demo_clip
from imfcodec.errors import OptionError, OutputExists
from imfcodec.media import MediaReader

SIZE = 96


@pytest.fixture(scope="module")
def frames() -> np.ndarray:
    """Three seconds, uint8 [75, SIZE, SIZE, 3]."""
    return np.stack(list(demo_frames(3, 25, SIZE)))


def test_every_call_gives_the_same_pictures(frames: np.ndarray) -> None:
    again = np.stack(list(islice(demo_frames(3, 25, SIZE), 10)))
    np.testing.assert_array_equal(again, frames[:10])


def test_a_longer_clip_begins_like_a_short_one(frames: np.ndarray) -> None:
    longer = np.stack(list(islice(demo_frames(60, 25, SIZE), 10)))
    np.testing.assert_array_equal(longer, frames[:10])


def test_the_rate_samples_one_and_the_same_motion(frames: np.ndarray) -> None:
    half = np.stack(list(demo_frames(0.4, 5, SIZE)))
    np.testing.assert_array_equal(half, frames[:10:5])


def test_the_face_moves_in_every_frame_and_without_jumps(frames: np.ndarray) -> None:
    face = frames[:, SIZE // 4 : SIZE * 3 // 4, SIZE // 4 : SIZE * 3 // 4].astype(int)
    change = np.abs(np.diff(face, axis=0)).mean((1, 2, 3))
    assert change.min() > 0.2
    assert change.max() < 15


def test_the_background_is_still(frames: np.ndarray) -> None:
    right_of_the_head = frames[:, SIZE // 2 :, SIZE * 15 // 16 :]
    below_the_collar = frames[:, SIZE * 15 // 16 :]
    for still in (right_of_the_head, below_the_collar):
        assert (still == still[0]).all()


def test_the_mouth_opens(frames: np.ndarray) -> None:
    mouth = frames[:, SIZE // 2 : SIZE * 3 // 4, SIZE * 3 // 8 : SIZE * 5 // 8]
    dark = (mouth.sum(3) < 150).mean((1, 2))
    assert dark.max() > dark.min() + 0.02


def test_the_written_clip_reads_back(tmp_path) -> None:
    path = tmp_path / "demo.mp4"
    write_demo_clip(path, seconds=0.2, rate=10, size=64)
    with MediaReader(path, audio="none") as reader:
        assert (reader.info.width, reader.info.height) == (64, 64)
        times = [event.pts * reader.info.time_base for event in reader.events()]
    assert times == [0, Fraction(1, 10)]
    with pytest.raises(OutputExists):
        write_demo_clip(path, seconds=0.2, rate=10, size=64)


@pytest.mark.parametrize("options", [{"seconds": 0}, {"rate": 0}, {"size": 8}])
def test_useless_options_are_refused_at_once(options: dict) -> None:
    with pytest.raises(OptionError):
        demo_frames(**options)


def test_a_missing_library_names_its_extra(monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "skimage.data", None)
    with pytest.raises(OptionError, match=r"imfcodec\[demo\]"):
        demo_frames()
