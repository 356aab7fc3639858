from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from imfcodec.bench.clip import Clip
from tests.conftest import moving_picture
from tests.media.samples import encode, rgb_frames


@pytest.fixture
def make_clip(tmp_path: Path) -> Callable[..., Clip]:
    """Lossless clips of `moving_picture`, 25 fps: make_clip(frames, width, height, cut).

    From frame ``cut`` on they are upside down and in other colours.
    """

    def make(frames: int = 13, width: int = 96, height: int = 80, cut: int | None = None) -> Clip:
        path = tmp_path / f"moving-{width}x{height}-{frames}.mkv"
        pictures = [moving_picture(n, width, height) for n in range(frames)]
        if cut is not None:
            pictures[cut:] = [255 - picture[::-1] for picture in pictures[cut:]]
        encode(path, rgb_frames(pictures))
        return Clip.open(path)

    return make
