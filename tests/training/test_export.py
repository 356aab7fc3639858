"""A run becomes weights that `encode` uses at once."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

import imfcodec
from imfcodec import weights
from imfcodec.cli.main import imfcodec as command
from imfcodec.training.loop import train
from tests.conftest import moving_picture
from tests.training.samples import small_run, write_shard
from tests.training.test_prepare import write_video


def test_train_export_encode(
    small_video: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, folder = tmp_path / "run", tmp_path / "weights"
    train(small_run(), write_shard(tmp_path / "shard"), None, run, device="cpu")
    result = CliRunner().invoke(
        command,
        [
            *("train", "export", str(run), str(small_video.parent)),
            *("--to", str(folder), "--name", "mine", "--json"),
        ],
        catch_exceptions=False,
    )
    assert result.exit_code == 0, result.output
    exported = json.loads(result.stdout)
    (entry,) = json.loads((folder / "manifest.json").read_text())["weights"]
    assert entry["id"] == exported["id"]
    card = (folder / "MODEL_CARD.md").read_text()
    assert f"## mine-{exported['id']}.safetensors" in card
    assert "10 steps" in card
    assert "no GAN" in card
    monkeypatch.setenv(weights.FOLDER_VARIABLE, str(folder))
    report = imfcodec.encode(small_video, tmp_path / "a.imf")  # the folder's default
    assert report.weights == f"mine-{exported['id']}"
    assert imfcodec.decode(tmp_path / "a.imf", tmp_path / "a.mp4").frames == 12


def test_clips_of_any_size(tmp_path: Path) -> None:
    """Tables are fitted on pictures as a sender sizes them, not as the files hold them."""
    run, folder = tmp_path / "run", tmp_path / "weights"
    train(small_run(), write_shard(tmp_path / "shard"), None, run, device="cpu")
    wide = [moving_picture(n, 322, 182) for n in range(12)]
    write_video(tmp_path / "clips" / "deep" / "wide.mkv", wide)
    result = CliRunner().invoke(
        command,
        ["train", "export", str(run), str(tmp_path / "clips"), "--to", str(folder)],
        catch_exceptions=False,
    )
    assert result.exit_code == 0, result.output
    empty = tmp_path / "empty"
    empty.mkdir()
    refused = CliRunner().invoke(command, ["train", "export", str(run), str(empty)])
    assert refused.exit_code == 3


def test_a_second_export_becomes_the_default(tmp_path: Path) -> None:
    from imfcodec.training.weights_list import add_to_manifest
    from tests.tiny import TINY, write_tiny_weights

    first = write_tiny_weights(tmp_path)
    add_to_manifest(tmp_path, first, TINY, {})
    second = weights.write(tmp_path, "other", weights.load(first).model, weights.load(first).tables)
    other = weights.WeightsFile("other", second.id, tmp_path / "copy.safetensors")
    other.path.write_bytes(first.path.read_bytes())
    add_to_manifest(tmp_path, other, TINY, {})
    entries = json.loads((tmp_path / "manifest.json").read_text())["weights"]
    assert [(e["file"], e["default"]) for e in entries] == [
        (first.path.name, False),
        ("copy.safetensors", True),
    ]


def test_command_line_trains_and_refuses(tmp_path: Path) -> None:
    shard = write_shard(tmp_path / "shard")
    invoke = CliRunner().invoke
    common = ["train", str(shard), str(tmp_path / "run"), "--device", "cpu"]
    settings = [
        *("--stage", "32", "4", "2", "--set", "perceptual", "0", "--set", "flow", "0"),
        *("--set", "log_steps", "1"),
    ]
    assert invoke(command, common + settings).exit_code == 0
    assert (tmp_path / "run" / "ema.safetensors").exists()
    again = invoke(command, common + settings)
    assert again.exit_code == 2
    assert "resume" in again.output
    unknown = invoke(command, [*common, "--set", "nonsense", "1"])
    assert unknown.exit_code == 2
    assert "nonsense" in unknown.output
