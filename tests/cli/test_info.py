from __future__ import annotations

import json
from pathlib import Path

import pytest

from imfcodec.weights import FOLDER_VARIABLE, WeightsFile

from .conftest import FRAMES, Invoke


def test_text(invoke: Invoke, stream: Path, installed: WeightsFile) -> None:
    result = invoke("info", stream)
    assert (result.exit_code, result.stderr) == (0, "")
    for text in (
        f"tiny-{installed.id.hex()}, installed",
        "64x64",
        "32 values",
        "4 at 0.160 s, predicted",
    ):
        assert text in result.stdout
    assert result.stdout.splitlines()[-1].split() == ["damage", "none"]


def test_json(invoke: Invoke, stream: Path, installed: WeightsFile) -> None:
    record = json.loads(invoke("info", stream, "--json").stdout)
    assert record["weights"]["id"] == installed.id.hex()
    assert record["weights"]["installed"] is True
    assert record["display"] == record["scaled"] == record["coded"] == [64, 64]
    assert [key["time_s"] for key in record["key_frames"]] == pytest.approx([0, 0.16, 0.32])
    assert [key["predicted"] for key in record["key_frames"]] == [False, True, False]
    assert record["frames"] == FRAMES
    assert record["sizes_bytes"]["total"] == stream.stat().st_size
    assert record["complete"] is True
    assert record["damage"] == []


def test_from_standard_input(invoke: Invoke, stream: Path) -> None:
    assert invoke("info", "-", stdin=stream.read_bytes()).exit_code == 0


def test_without_the_weights(
    invoke: Invoke, stream: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(FOLDER_VARIABLE, str(tmp_path))
    result = invoke("info", stream)
    assert result.exit_code == 0
    assert "not installed" in result.stdout
