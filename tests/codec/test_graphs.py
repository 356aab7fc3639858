"""The network as graphs for onnxruntime and MNN: the same pictures, without torch."""

from __future__ import annotations

import dataclasses
import io
import json
import os
import shutil
import subprocess
import sys
from functools import partial
from pathlib import Path

import numpy as np
import pytest

import imfcodec
from imfcodec import weights
from imfcodec.codec.network import ENGINES, EXPORTED, MODULES
from imfcodec.config import DecodeOptions
from imfcodec.errors import ImfcodecError, OptionError, OutputExists, WeightsCorrupt, WeightsMissing
from imfcodec.receiver.engine import engine_of
from imfcodec.training.fit_tables import fit_tables
from imfcodec.weights import WeightsFile
from tests.cli.conftest import command
from tests.conftest import moving_picture
from tests.tiny import TINY, random_walks, tiny_model

for extra in ("onnx", "onnxruntime", "MNN"):
    pytest.importorskip(extra, reason="needs the extras onnx and mnn")

from imfcodec.codec.network.export import FINISHERS, export  # noqa: E402 - needs the extra onnx


@pytest.fixture(scope="module", params=EXPORTED)
def engine(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture(scope="module")
def exported(
    engine: str, tiny_folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> WeightsFile:
    loaded = weights.load(next(weights.find(str(path)) for path in tiny_folder.iterdir()))
    return export(loaded, tmp_path_factory.mktemp("exported"), engine)


@pytest.fixture
def stream(small_video: Path, tiny_weights: str, tmp_path: Path) -> Path:
    path = tmp_path / "small.imf"
    options = {"weights": tiny_weights, "mode": "imf", "keyframe_interval_s": 0.24}
    imfcodec.encode(small_video, path, refine=0, **options)
    return path


def pictures(stream: Path, **options: object) -> np.ndarray:
    decoder = imfcodec.Decoder(io.BytesIO(stream.read_bytes()), DecodeOptions(**options))
    return np.stack([frame.rgb for frame in decoder]).astype(int)


def test_same_pictures_as_torch(stream: Path, engine: str, exported: WeightsFile) -> None:
    ours = pictures(stream, engine="torch")
    for threads in (1, 2, 9):  # nine: more than MNN has sessions
        theirs = pictures(stream, engine=engine, weights=str(exported.path), threads=threads)
        assert theirs.shape == ours.shape == (12, 64, 64, 3)
        assert np.abs(theirs - ours).max() <= 1
    assert np.abs(ours[0] - ours[-1]).max() > 8


def test_decoding_needs_no_torch(
    stream: Path, engine: str, exported: WeightsFile, tmp_path: Path
) -> None:
    """Not even that it is installed: auto finds the exported weights."""
    (tmp_path / "blocked").mkdir()
    (tmp_path / "blocked" / "torch.py").write_text("raise ImportError('torch is not to be used')")
    paths = [str(tmp_path / "blocked"), *(path for path in sys.path if path)]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(paths)}
    environment[weights.FOLDER_VARIABLE] = str(exported.path.parent)
    decode = partial(subprocess.run, capture_output=True, env=environment, check=False)
    run = decode(command("decode", stream, tmp_path / "small.mkv", "--json"))
    assert run.returncode == 0, run.stderr
    record = json.loads(run.stdout)  # nothing else is on stdout, whatever the engine prints
    assert (record["frames"], record["engine"]) == (12, engine)
    piped = decode(command("decode", stream, "-", "--format", "rgb"))
    assert (piped.returncode, len(piped.stdout)) == (0, 12 * 64 * 64 * 3)


def test_sizes_change_from_call_to_call(engine: str, exported: WeightsFile) -> None:
    """Windows of several sizes take turns, and a batch may have any number of frames."""
    loaded = weights.load_exported(exported)
    network = ENGINES[engine](loaded, 0, DecodeOptions(threads=1))
    rng = np.random.default_rng(1)
    tokens = rng.integers(-3, 4, (5, loaded.tables.token_size)).astype(np.int32)
    views = {
        size: network.reference(rng.integers(0, 256, (*size, 3), np.uint8), tokens[0])
        for size in ((64, 64), (96, 128))
    }
    alone = {size: network.rebuild(view, tokens).astype(int) for size, view in views.items()}
    for count in (1, 3):
        for size, view in views.items():
            rebuilt = network.rebuild(view, tokens[:count])
            assert rebuilt.shape == (count, *size, 3)
            assert np.abs(rebuilt - alone[size][:count]).max() <= 1


def test_both_passes_and_the_first_one(engine: str, tmp_path: Path) -> None:
    two = tiny_model(config=dataclasses.replace(TINY, restoration_passes=2))
    tables = fit_tables(np.full(16, 0.1, np.float32), random_walks(6, 60, 16))
    loaded = weights.load(weights.write(tmp_path, "two", two, tables))
    options = DecodeOptions(threads=1)
    theirs, ours = (
        ENGINES[name](some, 0, options)
        for name, some in (
            (engine, weights.load_exported(export(loaded, tmp_path, engine))),
            ("torch", loaded),
        )
    )
    picture = moving_picture(3)
    for restoration in (0, 2, 3):
        both, once = (
            (network.restore(picture, restoration), network.restore_once(picture, restoration))
            for network in (theirs, ours)
        )
        for one, other in zip(both, once, strict=True):
            assert np.abs(one.astype(int) - other).max() <= 1
        assert np.array_equal(*both) == (restoration == 3)


def test_auto_takes_what_is_there(
    stream: Path,
    engine: str,
    exported: WeightsFile,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def chosen(**options: object) -> str:
        decoder = imfcodec.Decoder(io.BytesIO(stream.read_bytes()), DecodeOptions(**options))
        return decoder.report.engine

    assert chosen() == "torch"
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    (tmp_path / "imfcodec").mkdir()
    (tmp_path / "imfcodec" / "weights").symlink_to(exported.path.parent)
    assert chosen() == engine
    assert chosen(engine="torch") == chosen(weights="tiny") == "torch"
    with pytest.raises(OptionError, match="one of auto, torch, onnxruntime, mnn, not 'tf'"):
        chosen(engine="tf")
    monkeypatch.setitem(sys.modules, MODULES[engine], None)
    assert chosen() == "torch"


def test_mnn_comes_first(
    stream: Path, tiny_weights: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    label, header = weights.find(tiny_weights).label, imfcodec.inspect(stream).header
    for engine in ("onnxruntime", "mnn"):
        (tmp_path / "imfcodec" / "weights" / f"{label}.{EXPORTED[engine]}").mkdir(parents=True)
        assert engine_of(header, DecodeOptions(), None) == engine


def test_graphs_of_other_weights(
    stream: Path, engine: str, exported: WeightsFile, tmp_path: Path
) -> None:
    kind = EXPORTED[engine]
    other = tmp_path / f"other-01020304.{kind}"
    shutil.copytree(exported.path, other)
    with pytest.raises(WeightsMissing, match="is other-01020304"):
        pictures(stream, engine=engine, weights=str(other))
    same = tmp_path / exported.path.name
    other.rename(same)
    graph, tables = same / f"rebuild.{kind}", same / weights.TABLES
    whole = graph.read_bytes()
    graph.write_bytes(whole[:-9] + b"something")
    with pytest.raises(WeightsCorrupt, match=rf"rebuild\.{kind} is damaged, or of other weights"):
        pictures(stream, engine=engine, weights=str(same))
    graph.unlink()
    with pytest.raises(WeightsMissing, match=rf"cannot read .*rebuild\.{kind}"):
        pictures(stream, engine=engine, weights=str(same))
    tables.write_bytes(b"no tables")
    with pytest.raises(WeightsCorrupt, match="not a safetensors file"):
        pictures(stream, engine=engine, weights=str(same))


def test_a_folder_of_another_kind(stream: Path, engine: str, exported: WeightsFile) -> None:
    other = next(one for one in EXPORTED if one != engine)
    with pytest.raises(WeightsMissing, match=f"exported as {EXPORTED[other]}: none"):
        pictures(stream, engine=other, weights=str(exported.path))


def test_what_is_not_there(
    stream: Path, engine: str, exported: WeightsFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    kind = EXPORTED[engine]
    with pytest.raises(WeightsMissing, match=rf"weights export [0-9a-f]{{8}} --{kind} DIR"):
        pictures(stream, engine=engine)
    for device in ("cuda", "cuda:1", "mps", "warp"):
        with pytest.raises(OptionError, match=f"'{device}' is not available to {engine}"):
            pictures(stream, engine=engine, weights=str(exported.path), device=device)
    monkeypatch.setitem(sys.modules, MODULES[engine], None)
    with pytest.raises(OptionError, match=rf"imfcodec\[{kind}\]"):
        pictures(stream, engine=engine, weights=str(exported.path))


def test_export_replaces_only_if_asked(
    engine: str, exported: WeightsFile, tiny_folder: Path
) -> None:
    loaded = weights.load(next(weights.find(str(path)) for path in tiny_folder.iterdir()))
    with pytest.raises(OutputExists, match="--overwrite"):
        export(loaded, exported.path.parent, engine)
    graph = exported.path / f"rebuild.{EXPORTED[engine]}"
    before = graph.stat().st_mtime_ns
    assert export(loaded, exported.path.parent, engine, overwrite=True) == exported
    assert graph.stat().st_mtime_ns > before
    assert [path.name for path in exported.path.parent.iterdir()] == [exported.path.name]


def test_export_needs_the_extra(
    engine: str, tiny_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    loaded = weights.load(next(weights.find(str(path)) for path in tiny_folder.iterdir()))
    for module in ("onnx", MODULES[engine]):
        with monkeypatch.context() as patch:
            patch.setitem(sys.modules, module, None)
            with pytest.raises(OptionError, match=rf"{module} is not .*\[{EXPORTED[engine]}\]"):
                export(loaded, tmp_path / "DIR", engine)
    assert not (tmp_path / "DIR").exists()


def test_a_converter_that_fails(tmp_path: Path) -> None:
    (tmp_path / "rebuild.onnx").write_bytes(b"no graph")
    with pytest.raises(ImfcodecError, match=r"MNN cannot convert rebuild\.onnx"):
        FINISHERS["mnn"](tmp_path / "rebuild.onnx")
