"""An encoder that hangs is killed and begun again; one that fails says why."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from imfcodec.bench.codecs import watched
from imfcodec.bench.codecs.anchors import svtav1
from imfcodec.bench.codecs.sampling import Sampling
from imfcodec.errors import OutputFailed, UnsupportedVideo

CODEC = svtav1(preset=8)


def hanging(times: int, tmp_path: Path) -> tuple[str, ...]:
    """A program that hangs so many times and then encodes."""
    count = tmp_path / "count"
    script = tmp_path / "hanging.py"
    script.write_text(
        f"""
import time
from pathlib import Path
count = Path({str(count)!r})
begun = len(count.read_text()) if count.exists() else 0
count.write_text("x" * (begun + 1))
if begun < {times}:
    print(end=".", flush=True)
    time.sleep(600)
from imfcodec.bench.codecs.watched import main
main()
"""
    )
    return sys.executable, str(script)


def test_a_hang_is_overcome(make_clip, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clip = make_clip()
    plain = CODEC.encode_here(clip, "crf60", tmp_path)
    expected = plain.path.read_bytes()
    plain.path.unlink()
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[3]))
    monkeypatch.setattr(watched, "_COMMAND", hanging(1, tmp_path))
    monkeypatch.setattr(watched, "SILENCE_S", 10.0)
    assert CODEC.encode(clip, "crf60", tmp_path) == plain
    assert plain.path.read_bytes() == expected


def test_one_that_always_hangs(make_clip, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watched, "_COMMAND", hanging(99, tmp_path))
    monkeypatch.setattr(watched, "SILENCE_S", 1.0)
    with pytest.raises(OutputFailed, match="3 times"):
        CODEC.encode(make_clip(), "crf60", tmp_path)


def test_its_errors_are_told(make_clip, tmp_path: Path) -> None:
    with pytest.raises(UnsupportedVideo, match="192"):
        svtav1(preset=8, sampling=Sampling(192)).encode(make_clip(), "crf60", tmp_path)


def test_one_that_dies(make_clip, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watched, "_COMMAND", (sys.executable, "-c", "import os; os._exit(3)"))
    with pytest.raises(OutputFailed, match="died"):
        CODEC.encode(make_clip(), "crf60", tmp_path)
