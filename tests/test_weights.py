"""Weights: what is shipped, what is found, what is refused."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from imfcodec import weights
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
