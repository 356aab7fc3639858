from __future__ import annotations

import json
from pathlib import Path

import pytest

from imfcodec.weights import FOLDER_VARIABLE, WeightsFile

from .conftest import Invoke


def test_list(invoke: Invoke, installed: WeightsFile) -> None:
    heading, first, *_ = invoke("weights", "list").stdout.splitlines()
    assert heading.split() == ["name", "id", "for", "size", "architecture", "parameters", "file"]
    assert first.split()[:3] == ["tiny", installed.id.hex(), "default"]
    assert first.endswith(str(installed.path))


def test_list_json(invoke: Invoke, installed: WeightsFile) -> None:
    record = json.loads(invoke("weights", "list", "--json").stdout)
    tiny = record["weights"][0]
    assert tiny["default"] is True
    assert tiny["presets"] == []
    assert tiny["architecture"] == "tiny"
    assert tiny["size_bytes"] == installed.path.stat().st_size
    assert 10_000 < tiny["parameters"] < 1_000_000
    assert record["folders"][0] == str(installed.path.parent)


def test_list_names_unreadable_files(
    invoke: Invoke, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "odd-00000000.safetensors").write_bytes(b"nothing")
    monkeypatch.setenv(FOLDER_VARIABLE, str(tmp_path))
    result = invoke("weights", "list")
    assert result.exit_code == 0
    assert "unreadable" in result.stdout


@pytest.mark.parametrize("by", ["name", "id", "path"])
def test_verify(invoke: Invoke, installed: WeightsFile, by: str) -> None:
    choice = {"name": "tiny", "id": installed.id.hex(), "path": str(installed.path)}[by]
    result = invoke("weights", "verify", choice)
    assert (result.exit_code, result.stdout.split()) == (0, [choice, "ok"])


def test_verify_finds_a_changed_byte(
    invoke: Invoke, installed: WeightsFile, tmp_path: Path
) -> None:
    data = bytearray(installed.path.read_bytes())
    data[-1] ^= 1
    changed = tmp_path / installed.path.name
    changed.write_bytes(data)
    result = invoke("weights", "verify", changed, "tiny", "nothing", "--json")
    assert result.exit_code == 21
    verdicts = json.loads(result.stdout)["weights"]
    assert [v["error"] for v in verdicts] == ["WeightsCorrupt", None, "WeightsMissing"]
    assert json.loads(result.stderr.splitlines()[-1])["error"] == "WeightsCorrupt"


def test_path(invoke: Invoke, installed: WeightsFile) -> None:
    assert invoke("weights", "path", "tiny").stdout == f"{installed.path}\n"
    assert invoke("weights", "path").stdout.splitlines()[0] == str(installed.path.parent)
    assert invoke("weights", "path", "nothing").exit_code == 20
