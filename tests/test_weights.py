"""Weights: what is shipped, what is found, what is refused."""

from __future__ import annotations

import hashlib
import io
import json
import os
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

import imfcodec
from imfcodec import weights
from imfcodec.config import EncodeOptions
from imfcodec.errors import WeightsCorrupt, WeightsMissing
from tests.tiny import TINY, tiny_model, write_tiny_weights

SHIPPED = Path(__file__).parents[1] / "weights"


def test_manifest_says_what_lies_there() -> None:
    manifest = json.loads((SHIPPED / "manifest.json").read_text())["weights"]
    files = {p.name for p in SHIPPED.glob("*.safetensors")}
    assert {entry["file"] for entry in manifest} == files
    assert sum(bool(entry.get("default")) for entry in manifest) == 1
    for entry in manifest:
        data = (SHIPPED / entry["file"]).read_bytes()
        assert hashlib.sha256(data).hexdigest() == entry["sha256"]
        assert entry["size_bytes"] == len(data)
        assert entry["file"] == f"{entry['name']}-{entry['sha256'][:8]}.safetensors"
        assert entry["id"] == entry["sha256"][:8]


def test_every_shipped_file_loads(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(weights.FOLDER_VARIABLE, str(SHIPPED))
    for path in SHIPPED.glob("*.safetensors"):
        loaded = weights.load(weights.find(str(path)))
        assert loaded.tables.token_size == loaded.model.config.token_size
        assert all(torch.isfinite(p).all() for p in loaded.model.parameters())


def test_every_shipped_file_is_in_the_model_card() -> None:
    card = (SHIPPED / "MODEL_CARD.md").read_text()
    for path in SHIPPED.glob("*.safetensors"):
        assert path.name in card


def test_found_by_name_id_path_and_default(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = write_tiny_weights(tmp_path)
    monkeypatch.setenv(weights.FOLDER_VARIABLE, str(tmp_path))
    for choice in ("tiny", file.id.hex(), str(file.path)):
        assert weights.find(choice).id == file.id
    assert weights.find_by_id(file.id).path == file.path
    (tmp_path / "manifest.json").write_text(
        json.dumps({"weights": [{"id": file.id.hex(), "default": True}]})
    )
    assert weights.find(None).id == file.id


def test_presets_may_have_weights_of_their_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(weights.FOLDER_VARIABLE, str(tmp_path))
    usual = write_tiny_weights(tmp_path)
    live = weights.write(tmp_path, "live", tiny_model(seed=1), weights.load(usual).tables)
    entries = [
        {"id": live.id.hex(), "default": False, "presets": ["live"]},
        {"id": usual.id.hex(), "default": True},
    ]
    (tmp_path / "manifest.json").write_text(json.dumps({"weights": entries}))
    assert weights.find(None, preset="live").id == live.id
    assert weights.find(None, preset="best").id == usual.id
    assert weights.find("tiny", preset="live").id == usual.id

    def named(**options: Any) -> bytes:
        stream = io.BytesIO()
        with imfcodec.Encoder(
            stream, width=64, height=64, options=EncodeOptions(**options)
        ) as encoder:
            encoder.write(np.zeros((64, 64, 3), np.uint8))
        return imfcodec.inspect(io.BytesIO(stream.getvalue())).header.weights_id

    assert named(preset="live") == named(latency="low") == live.id
    assert named(preset="fast") == usual.id


def test_loaded_is_what_was_written_at_half_precision(tmp_path: Path) -> None:
    loaded = weights.load(write_tiny_weights(tmp_path))
    assert loaded.model.config == TINY
    for name, value in tiny_model().state_dict().items():
        stored = loaded.model.state_dict()[name]
        assert torch.equal(stored, value.half().float() if value.is_floating_point() else value)


def test_unknown_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(weights.FOLDER_VARIABLE, str(tmp_path))
    with pytest.raises(WeightsMissing, match="nonesuch"):
        weights.find("nonesuch")
    with pytest.raises(WeightsMissing, match="01020304"):
        weights.find_by_id(b"\1\2\3\4")


def renamed(path: Path) -> weights.WeightsFile:
    """A file under the name that its content demands."""
    digest = hashlib.sha256(path.read_bytes()).digest()
    target = path.with_name(f"odd-{digest[:4].hex()}.safetensors")
    path.rename(target)
    return weights.WeightsFile("odd", digest[:4], target)


def test_broken_content_is_refused(tmp_path: Path) -> None:
    garbage = tmp_path / "a.safetensors"
    garbage.write_bytes(b"\xff" * 100)
    with pytest.raises(WeightsCorrupt, match="safetensors"):
        weights.load(renamed(garbage))

    tensors = load_file(write_tiny_weights(tmp_path).path)
    stranger = tmp_path / "b.safetensors"
    save_file(tensors, stranger, {"format": "something else"})
    with pytest.raises(WeightsCorrupt, match="format"):
        weights.load(renamed(stranger))

    good = {"format": weights.FORMAT, "config": TINY.to_json()}
    for name in ("model.latent_token_encoder.head.weight", "entropy.run_frequencies"):
        lacking = tmp_path / "c.safetensors"
        save_file({k: v for k, v in tensors.items() if k != name}, lacking, good)
        with pytest.raises(WeightsCorrupt):
            weights.load(renamed(lacking))
    for config in ("", "{}", "[1]", '{"preset": "x"}'):
        odd = tmp_path / "d.safetensors"
        save_file(tensors, odd, {**good, "config": config})
        with pytest.raises(WeightsCorrupt):
            weights.load(renamed(odd))


def crafted(tmp_path: Path, tensors: dict[str, torch.Tensor], config: str) -> weights.WeightsFile:
    path = tmp_path / "e.safetensors"
    save_file(tensors, path, {"format": weights.FORMAT, "config": config})
    return renamed(path)


@pytest.mark.parametrize(
    "change",
    [
        {"token_size": "32"},
        {"token_size": True},
        {"token_size": -1},
        {"token_size": 10**9},
        {"token_size": 2.5},
        {"stem_channels": 10**9},
        {"feature_channels": 5},
        {"feature_channels": [1, "x"]},
        {"feature_channels": []},
        {"attention_heads": 0},
        {"attention_heads": 7},
        {"attention_scales": [3, 5]},
        {"stem_stride": 0},
        {"fine": "nonsense"},
        {"restoration_channels": [1]},
        {"restoration_passes": 10**6},
        {"restoration_passes": 0},
        {"restoration_passes": 0, "restoration_first": [4, 4, 4, 1]},
        {"restoration_first": [4, 4, 4]},
        {"motion_channels": None},
        {"unknown": 1},
    ],
    ids=str,
)
def test_a_configuration_that_cannot_be_is_corrupt(
    tmp_path: Path, change: dict[str, object]
) -> None:
    tensors = load_file(write_tiny_weights(tmp_path).path)
    config = json.dumps({**json.loads(TINY.to_json()), **change})
    with pytest.raises(WeightsCorrupt):
        weights.load(crafted(tmp_path, tensors, config))


def test_tensors_that_cannot_be_are_corrupt(tmp_path: Path) -> None:
    """Each tensor in turn as a number, empty, of another type, or not finite."""
    tensors = load_file(write_tiny_weights(tmp_path).path)
    tables = [name for name in tensors if name.startswith("entropy.")]
    for name in [*tables, "model.latent_token_encoder.head.weight"]:
        for value in (
            torch.tensor(1),
            torch.zeros(0),
            tensors[name][None],
            torch.full_like(tensors[name], -1),
        ):
            if name.startswith("model.") and value.shape == tensors[name].shape:
                continue  # any numbers make a network
            with suppress(WeightsCorrupt):  # some vectors may be negative
                weights.load(crafted(tmp_path, {**tensors, name: value}, TINY.to_json()))
    for name in ("entropy.step", "entropy.scales"):
        for value in (float("nan"), float("inf"), 0.0):
            odd = {**tensors, name: torch.full_like(tensors[name], value)}
            with pytest.raises(WeightsCorrupt):
                weights.load(crafted(tmp_path, odd, TINY.to_json()))


def test_damaged_bytes_are_corrupt(tmp_path: Path) -> None:
    data = write_tiny_weights(tmp_path).path.read_bytes()
    header = 8 + int.from_bytes(data[:8], "little")
    for position in [*range(8), *range(8, header, 397)]:
        for flip in (1, 0x80):
            broken = bytearray(data)
            broken[position] ^= flip
            path = tmp_path / "f.safetensors"
            path.write_bytes(broken)
            with suppress(WeightsCorrupt):  # a changed name of the preset is no harm
                weights.load(renamed(path))


def test_without_a_home_folder(tmp_path: Path) -> None:
    """HOME unset and an unknown user: what is shipped is found all the same."""
    program = (
        "import pathlib\n"
        "def no_home(): raise RuntimeError('Could not determine home directory.')\n"
        "pathlib.Path.home = no_home\n"
        "from imfcodec import weights\n"
        "from imfcodec.bench.cache import default_cache_folder\n"
        "print(weights.find(None).name, default_cache_folder())\n"
    )
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("XDG", "HOME", "IMF"))}
    run = subprocess.run(
        [sys.executable, "-c", program],
        env={**environment, "PYTHONPATH": str(SHIPPED.parent)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert run.stdout.startswith("fast ")


def test_a_home_folder_that_may_not_be_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def denied(self: Path, pattern: str) -> list[Path]:
        if "denied" in str(self):
            raise PermissionError(13, "Permission denied")
        return list(globbed(self, pattern))

    globbed = Path.glob
    monkeypatch.setattr(Path, "glob", denied)
    monkeypatch.delenv(weights.FOLDER_VARIABLE, raising=False)
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "denied"))
    assert weights.find(None).name == "fast"


@pytest.mark.parametrize("header", [b"[]", b"5", b"null", b"[" * 100_000])
def test_a_header_that_is_no_object_is_corrupt(tmp_path: Path, header: bytes) -> None:
    path = tmp_path / "g.safetensors"
    path.write_bytes(len(header).to_bytes(8, "little") + header + bytes(64))
    with pytest.raises(WeightsCorrupt):
        weights.load(renamed(path))


@pytest.mark.parametrize(
    "manifest",
    ["[]", "null", '{"weights": 5}', '{"weights": ["a"]}', '{"weights": [{}]}', "[" * 9999],
)
def test_a_manifest_that_is_none_is_passed_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, manifest: str
) -> None:
    (tmp_path / "manifest.json").write_text(manifest)
    monkeypatch.setenv(weights.FOLDER_VARIABLE, str(tmp_path))
    assert weights.find(None).name == "fast"


def test_a_large_network_in_a_small_file_takes_no_memory(tmp_path: Path) -> None:
    config = json.loads(TINY.to_json())
    config["feature_channels"] = [4096] * 5  # 15 GB
    with pytest.raises(WeightsCorrupt, match="does not fit"):
        weights.load(crafted(tmp_path, {"a": torch.zeros(1)}, json.dumps(config)))
