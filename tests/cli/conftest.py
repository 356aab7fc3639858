"""A network small enough for tests, clips as small, and two ways to run commands on them."""

from __future__ import annotations

import dataclasses
import io
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import av
import numpy as np
import pytest
import torch
from click.testing import CliRunner, Result

from imfcodec import weights
from imfcodec.bitstream import PredictedKeyPacket, StreamReader
from imfcodec.cli.main import imfcodec
from imfcodec.config import FAST
from imfcodec.model.imf import IMF
from imfcodec.training.fit_tables import fit_tables
from imfcodec.weights import FOLDER_VARIABLE, WeightsFile

ROOT = Path(__file__).parents[2]
FRAMES = 10

STREAM_OPTIONS = ("--keyframe-interval", "0.16", "--no-choose-keys", "--no-look-ahead")
STREAM_OPTIONS += ("--key-preset", "2", "--layout", "whole", "--mode", "imf")
"""With which `stream` is encoded: three key frames, the second one predicted."""

TINY = dataclasses.replace(
    FAST,
    preset="tiny",
    stem_channels=4,
    feature_channels=(4, 8, 8, 8, 8),
    token_encoder_side=64,
    token_encoder_channels=(4, 4, 8, 8),
    token_encoder_hidden=16,
    motion_channels=(8, 8, 8),
    motion_convolutions=1,
    attention_dims=(8, 8, 8),
    attention_heads=2,
    decoder_channels=(8, 8, 8),
    restoration_channels=(4, 4, 4),
    restoration_blocks=1,
    restoration_passes=1,
    restoration_first=None,
    narrow_up=(8, 8, 8, 4),
    narrow_aligned=(4, 4),
    narrow_inner=(8, 4),
    narrow_features=(8, 4, 4),
)

Invoke = Callable[..., Result]


@pytest.fixture(scope="session")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WeightsFile]:
    """Untrained weights `tiny`, the default ones, in the folder that is searched first."""
    folder = tmp_path_factory.mktemp("weights")
    torch.manual_seed(0)
    random = np.random.default_rng(0)
    walks = [random.normal(size=(60, 32)).cumsum(0).astype(np.float32) for _ in range(3)]
    tables = fit_tables(np.full(32, 0.5, np.float32), walks)
    file = weights.write(folder, "tiny", IMF(TINY).eval(), tables)
    manifest = {"weights": [{"id": file.id.hex(), "default": True}]}
    (folder / "manifest.json").write_text(json.dumps(manifest))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(FOLDER_VARIABLE, str(folder))
        yield file


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Threads that wait for one another cost more than such a network, above all under load."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def invoke(installed: WeightsFile) -> Invoke:
    """Run a command in this process: invoke("info", path)."""

    def run(*args: object, stdin: bytes | None = None) -> Result:
        return CliRunner().invoke(imfcodec, [str(arg) for arg in args], input=stdin)

    return run


@pytest.fixture
def environment(installed: WeightsFile) -> dict[str, str]:
    """Of a process of its own."""
    return {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}


def command(*args: object) -> list[str]:
    """What starts a command in a process of its own."""
    return [sys.executable, "-m", "imfcodec.cli", *map(str, args)]


@pytest.fixture
def execute(environment: dict[str, str]) -> Callable[..., subprocess.CompletedProcess[bytes]]:
    """Run a command in a process of its own."""

    def run(*args: object, stdin: bytes = b"") -> subprocess.CompletedProcess[bytes]:
        return subprocess.run(
            command(*args),
            input=stdin,
            capture_output=True,
            env=environment,
            timeout=60,
            check=False,
        )

    return run


def write_clip(path: Path, frames: int = FRAMES) -> Path:
    """A moving gradient of 64x64, 25 frames a second."""
    y, x = np.mgrid[0:64, 0:64]
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25, options={"preset": "ultrafast"})
        stream.width = stream.height = 64
        stream.pix_fmt = "yuv420p"
        for n in range(frames):
            picture = np.stack([3 * x, 3 * y, (2 * (x + y) + 4 * n) % 256], -1).astype(np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, "rgb24")))
        container.mux(stream.encode())
    return path


@pytest.fixture(scope="session")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_clip(tmp_path_factory.mktemp("clip") / "clip.mkv")


@pytest.fixture(scope="session")
def stream(installed: WeightsFile, clip: Path) -> Path:
    """The clip encoded with three key frames, the second one predicted; tests read it only."""
    path = clip.with_suffix(".imf")
    args = ["encode", str(clip), str(path), *STREAM_OPTIONS, "--threads", "1"]
    result = CliRunner().invoke(imfcodec, args)
    assert result.exit_code == 0, result.output
    return path


@pytest.fixture
def damaged(stream: Path, tmp_path: Path) -> Path:
    """The same with one wrong byte in the predicted key packet: frames 4 to 7 are lost."""
    data = bytearray(stream.read_bytes())
    reader = StreamReader(io.BytesIO(data))
    next(packet for packet in reader if isinstance(packet, PredictedKeyPacket))
    data[reader.sizes.total_bytes - 20] ^= 0xFF
    path = tmp_path / "damaged.imf"
    path.write_bytes(data)
    return path
