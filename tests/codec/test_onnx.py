"""The network as graphs for onnxruntime: the same pictures, without torch."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import imfcodec
from imfcodec import weights
from imfcodec.config import DecodeOptions
from imfcodec.errors import OptionError, OutputExists, WeightsCorrupt, WeightsMissing
from imfcodec.weights import WeightsFile
from tests.cli.conftest import command

onnx = pytest.importorskip("onnx", reason="needs the extra onnx")
pytest.importorskip("onnxruntime", reason="needs the extra onnx")

from imfcodec.codec.network.onnx_export import export  # noqa: E402 - imports onnxruntime


@pytest.fixture(scope="module")
def exported(tiny_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> WeightsFile:
    loaded = weights.load(next(weights.find(str(path)) for path in tiny_folder.iterdir()))
    return export(loaded, tmp_path_factory.mktemp("exported"))


@pytest.fixture
def stream(small_video: Path, tiny_weights: str, tmp_path: Path) -> Path:
    path = tmp_path / "small.imf"
    options = {"weights": tiny_weights, "mode": "imf", "keyframe_interval_s": 0.24}
    imfcodec.encode(small_video, path, refine=0, **options)
    return path


def pictures(stream: Path, **options: object) -> np.ndarray:
    decoder = imfcodec.Decoder(io.BytesIO(stream.read_bytes()), DecodeOptions(**options))
    return np.stack([frame.rgb for frame in decoder]).astype(int)


def test_same_pictures_as_torch(stream: Path, exported: WeightsFile) -> None:
    theirs = pictures(stream, engine="onnxruntime", weights=str(exported.path))
    ours = pictures(stream, engine="torch")
    assert theirs.shape == ours.shape == (12, 64, 64, 3)
    assert np.abs(theirs - ours).max() <= 1
    assert np.abs(ours[0] - ours[-1]).max() > 8


def test_decoding_needs_no_torch(stream: Path, exported: WeightsFile, tmp_path: Path) -> None:
    """Not even that it is installed: auto finds the exported weights."""
    (tmp_path / "blocked").mkdir()
    (tmp_path / "blocked" / "torch.py").write_text("raise ImportError('torch is not to be used')")
    paths = [str(tmp_path / "blocked"), *(path for path in sys.path if path)]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(paths)}
    environment[weights.FOLDER_VARIABLE] = str(exported.path.parent)
    target = tmp_path / "small.mkv"
    run = subprocess.run(
        command("decode", stream, target, "--json"),
        capture_output=True,
        env=environment,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    record = json.loads(run.stdout)
    assert (record["frames"], record["engine"]) == (12, "onnxruntime")


def test_auto_takes_what_is_there(
    stream: Path, exported: WeightsFile, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def engine(**options: object) -> str:
        decoder = imfcodec.Decoder(io.BytesIO(stream.read_bytes()), DecodeOptions(**options))
        return decoder.report.engine

    assert engine() == "torch"
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    (tmp_path / "imfcodec").mkdir()
    (tmp_path / "imfcodec" / "weights").symlink_to(exported.path.parent)
    assert engine() == "onnxruntime"
    assert engine(engine="torch") == engine(weights="tiny") == "torch"
    with pytest.raises(OptionError, match="one of auto, torch, onnxruntime, not 'tf'"):
        engine(engine="tf")


def test_graphs_of_other_weights(stream: Path, exported: WeightsFile, tmp_path: Path) -> None:
    other = tmp_path / "other-01020304"
    other.mkdir()
    for path in exported.path.iterdir():
        (other / path.name).write_bytes(path.read_bytes())
    with pytest.raises(WeightsMissing, match="is other-01020304"):
        pictures(stream, engine="onnxruntime", weights=str(other))
    same = tmp_path / exported.path.name
    other.rename(same)
    graph = onnx.load(str(same / "rebuild.onnx"))
    onnx.helper.set_model_props(graph, {"weights": "01020304"})
    onnx.save(graph, str(same / "rebuild.onnx"))
    with pytest.raises(WeightsCorrupt, match=r"rebuild\.onnx belongs to weights 01020304"):
        pictures(stream, engine="onnxruntime", weights=str(same))
    (same / "rebuild.onnx").write_bytes(b"no graph")
    with pytest.raises(WeightsCorrupt, match="not a usable graph"):
        pictures(stream, engine="onnxruntime", weights=str(same))
    (same / weights.TABLES).write_bytes(b"no tables")
    with pytest.raises(WeightsCorrupt, match="not a safetensors file"):
        pictures(stream, engine="onnxruntime", weights=str(same))


def test_what_is_not_there(
    stream: Path, exported: WeightsFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(WeightsMissing, match="weights export"):
        pictures(stream, engine="onnxruntime")
    for device in ("cuda", "cuda:1", "mps", "warp"):
        with pytest.raises(OptionError, match=f"'{device}' is not available to onnxruntime"):
            pictures(stream, engine="onnxruntime", weights=str(exported.path), device=device)
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(OptionError, match=r"imfcodec\[onnx\]"):
        pictures(stream, engine="onnxruntime", weights=str(exported.path))


def test_export_replaces_only_if_asked(exported: WeightsFile, tiny_folder: Path) -> None:
    loaded = weights.load(next(weights.find(str(path)) for path in tiny_folder.iterdir()))
    with pytest.raises(OutputExists, match="--overwrite"):
        export(loaded, exported.path.parent)
    before = (exported.path / "rebuild.onnx").stat().st_mtime_ns
    assert export(loaded, exported.path.parent, overwrite=True) == exported
    assert (exported.path / "rebuild.onnx").stat().st_mtime_ns > before
    assert [path.name for path in exported.path.parent.iterdir()] == [exported.path.name]
