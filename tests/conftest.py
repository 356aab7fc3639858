"""Fixtures that several folders use."""

from __future__ import annotations

import functools
import os
from pathlib import Path

import av
import numpy as np
import pytest
import torch

from imfcodec import weights
from imfcodec.arrays import Picture
from imfcodec.media.faces import Face
from tests.tiny import write_tiny_weights

# Two, as the machines that this is made for; on a busy one, OMP_NUM_THREADS=1 is faster.
torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", "2")))


@pytest.fixture(scope="session")
def tiny_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that holds one weights file called ``tiny``."""
    folder = tmp_path_factory.mktemp("weights")
    write_tiny_weights(folder)
    return folder


@pytest.fixture
def tiny_weights(tiny_folder: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Makes ``tiny`` findable, and loads it once only; returns its name."""
    monkeypatch.setenv(weights.FOLDER_VARIABLE, str(tiny_folder))
    monkeypatch.setattr(weights, "load", functools.lru_cache(weights.load))
    return "tiny"


def moving_picture(frame: int, width: int = 64, height: int = 64) -> np.ndarray:
    """A bright disc that circles over a still gradient: uint8 [H, W, 3]."""
    y, x = np.mgrid[:height, :width]
    cx = width / 2 + width / 6 * np.cos(frame / 5)
    cy = height / 2 + height / 6 * np.sin(frame / 5)
    disc = np.clip(height / 5 - np.hypot(x - cx, y - cy), 0, 1)[..., None]
    ground = np.stack([x * 200 / width, y * 200 / height, np.full_like(x, 80.0, float)], -1)
    return np.clip(ground * (1 - disc) + disc * [230, 180, 150], 0, 255).astype(np.uint8)


@pytest.fixture
def small_video(tmp_path: Path) -> Path:
    """Twelve frames of `moving_picture`, 64x64 at 25 fps, H.264."""
    path = tmp_path / "small.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25, options={"crf": "12"})
        stream.width = stream.height = 64
        stream.pix_fmt = "yuv420p"
        for n in range(12):
            frame = av.VideoFrame.from_ndarray(moving_picture(n), format="rgb24")
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


class MiddleFace:
    """Stands in for `FaceFinder`: finds a face in the middle of each picture."""

    def __init__(self, share: float) -> None:
        """Take the face's height as a share of the picture's."""
        self._share = share

    def find(self, picture: Picture) -> list[Face]:
        height, width = picture.shape[:2]
        middle = np.array([width / 2, height / 2])
        left, top = middle - self._share * height / 2
        right, bottom = middle + self._share * height / 2
        return [Face((left, top, right, bottom), np.tile(middle, (5, 1)))]


@pytest.fixture
def portrait(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each picture shows a head that fills it, so that the encoder codes it whole."""
    monkeypatch.setattr("imfcodec.sender.layout.heads.FaceFinder", lambda: MiddleFace(0.5))


@pytest.fixture(scope="session")
def data() -> Path:
    """The folder of talking-head clips; tests that ask for it are marked ``data``."""
    beside = Path(__file__).parents[2] / "shared" / "data"
    folder = Path(os.environ.get("IMFCODEC_DATA", beside))
    if not (folder / "val").is_dir():
        pytest.skip("no talking-head clips: set IMFCODEC_DATA")
    return folder
