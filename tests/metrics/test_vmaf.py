from __future__ import annotations

import sys
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from imfcodec.errors import OptionError
from imfcodec.metrics import vmaf
from imfcodec.metrics.vmaf import Vmaf, vmaf_missing
from tests.conftest import moving_picture

WIDTH, HEIGHT, RATE = 80, 65, Fraction(25)
FRAMES = 9

needs_vmaf = pytest.mark.skipif(vmaf_missing() is not None, reason=str(vmaf_missing()))


@pytest.fixture(autouse=True)
def ask_again() -> Iterator[None]:
    vmaf_missing.cache_clear()
    yield
    vmaf_missing.cache_clear()


def noisy(frame: int, strength: float) -> np.ndarray:
    random = np.random.default_rng(frame)
    picture = moving_picture(frame, WIDTH, HEIGHT)
    return (picture + random.normal(0, strength, picture.shape)).clip(0, 255).astype(np.uint8)


def score(strengths: list[float]) -> np.ndarray:
    with Vmaf(WIDTH, HEIGHT, RATE) as meter:
        for n, strength in enumerate(strengths):
            meter.add(moving_picture(n, WIDTH, HEIGHT), noisy(n, strength))
        return meter.finish()


@needs_vmaf
def test_equal_frames_are_near_a_hundred_and_noise_is_far_below() -> None:
    strengths = [0.0] * FRAMES
    strengths[4] = 25
    scores = score(strengths)
    assert scores.shape == (FRAMES,)
    assert int(scores.argmin()) == 4
    assert scores[4] < 70
    # A still first frame never reaches the top: the model asks for motion.
    assert np.delete(scores, 4).min() > 90


@needs_vmaf
def test_it_is_the_coded_video_that_is_judged() -> None:
    """Swapped, a video with details that the other lacks would score high."""
    with Vmaf(WIDTH, HEIGHT, RATE) as meter:
        for n in range(FRAMES):
            meter.add(noisy(n, 25), moving_picture(n, WIDTH, HEIGHT))
        swapped = meter.finish().mean()
    assert swapped < score([25] * FRAMES).mean()


@needs_vmaf
def test_leaving_early_leaves_nothing_behind() -> None:
    with Vmaf(WIDTH, HEIGHT, RATE) as meter:
        meter.add(noisy(0, 1), noisy(0, 1))
        folder = Path(meter._folder.name)
        assert folder.is_dir()
    assert meter._process.poll() is not None
    assert not folder.exists()


@needs_vmaf
def test_a_process_that_dies_is_reported() -> None:
    def feed(meter: Vmaf) -> None:
        for n in range(FRAMES):
            meter.add(noisy(n, 1), noisy(n, 1))
        meter.finish()

    with Vmaf(WIDTH, HEIGHT, RATE) as meter:
        meter._process.kill()
        meter._process.wait()
        with pytest.raises(OptionError, match="VMAF failed"):
            feed(meter)


@needs_vmaf
def test_the_smallest_pictures() -> None:
    picture = moving_picture(0, 17, 17)
    with Vmaf(17, 17, RATE) as meter:
        meter.add(picture, picture)
        assert meter.finish().shape == (1,)
    with pytest.raises(ValueError, match="17 pixels"):
        Vmaf(17, 16, RATE)


def test_a_missing_library_names_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "imageio_ffmpeg", None)
    assert "imfcodec[bench]" in (vmaf_missing() or "")
    with pytest.raises(OptionError, match="imageio-ffmpeg"):
        Vmaf(WIDTH, HEIGHT, RATE)


def test_a_binary_without_the_library(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vmaf, "ffmpeg_binary", lambda what: "true")
    assert "without libvmaf" in (vmaf_missing() or "")
