"""Damaged streams: the output is there, the command says what is lost, the exit code is 14."""

from __future__ import annotations

import json
from pathlib import Path

from .conftest import FRAMES, Invoke
from .test_encode_decode import frames_of


def test_decode(invoke: Invoke, damaged: Path, tmp_path: Path) -> None:
    video = tmp_path / "a.mkv"
    result = invoke("decode", damaged, video)
    assert result.exit_code == 14
    assert "4 frames, shown as copies" in result.stdout
    assert result.stderr.splitlines()[-1].startswith("imfcodec: error: ")
    assert "lost frames 4-7" in result.stderr
    assert len(frames_of(video)) == FRAMES


def test_decode_json(invoke: Invoke, damaged: Path, tmp_path: Path) -> None:
    result = invoke("decode", damaged, tmp_path / "a.mp4", "--json")
    assert result.exit_code == 14
    assert json.loads(result.stdout)["lost"] == [[4, 7]]
    assert json.loads(result.stderr.splitlines()[-1])["error"] == "DamagedStream"


def test_conceal(invoke: Invoke, damaged: Path, tmp_path: Path) -> None:
    result = invoke("decode", damaged, tmp_path / "a.mkv", "--conceal")
    assert result.exit_code == 0
    assert "error" not in result.stderr


def test_info(invoke: Invoke, damaged: Path) -> None:
    result = invoke("info", damaged)
    assert result.exit_code == 14
    assert f"{FRAMES}, 0.40 s" in result.stdout
    assert "checksum" in result.stdout


def test_info_of_a_truncated_stream(invoke: Invoke, stream: Path, tmp_path: Path) -> None:
    cut = tmp_path / "cut.imf"
    cut.write_bytes(stream.read_bytes()[:-8])
    result = invoke("info", cut, "--json")
    assert result.exit_code == 14
    record = json.loads(result.stdout)
    assert not record["complete"]
    assert json.loads(result.stderr.splitlines()[-1])["exit_code"] == 14
