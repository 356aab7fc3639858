from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from imfcodec.cli.comparison import compare
from imfcodec.metrics.fidelity import EQUAL_DB

from .conftest import FRAMES, Invoke, write_clip


def test_demo(invoke: Invoke, clip: Path, tmp_path: Path) -> None:
    folder = tmp_path / "made" / "here"
    result = invoke("demo", clip, "--out-dir", folder)
    assert result.exit_code == 0, result.output
    labels = [line.split()[0] for line in result.stdout.splitlines()]
    assert labels[-5:] == ["size", "quality", "floor", "encode", "decode"]
    assert sorted(path.name for path in folder.iterdir()) == ["clip.decoded.mp4", "clip.imf"]
    again = invoke("demo", clip, "--out-dir", folder)
    assert again.exit_code == 7
    assert again.stdout == ""


def test_json(invoke: Invoke, clip: Path, tmp_path: Path) -> None:
    record = json.loads(invoke("demo", clip, "--out-dir", tmp_path, "--json").stdout)
    assert record["frames_compared"] == FRAMES
    assert record["encode"]["sizes_bytes"]["total"] == Path(record["stream"]).stat().st_size
    assert 0 < record["frozen_key_frame"]["psnr_rgb_db"] < EQUAL_DB
    assert 0 < record["quality"]["psnr_rgb_db"] < EQUAL_DB


def test_the_clip_that_it_makes(
    invoke: Invoke, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stand_in(path: Path, *, overwrite: bool = False) -> None:
        assert overwrite or not path.exists()
        write_clip(path, frames=3)

    monkeypatch.setattr("imfcodec.bench.demo_clip.write_demo_clip", stand_in)
    for more in ((), ("--overwrite",)):
        result = invoke("demo", "--out-dir", tmp_path, "--json", *more)
        assert result.exit_code == 0, result.output
        record = json.loads(result.stdout)
        assert record["source"] == str(tmp_path / "demo.mp4")
        assert record["frames_compared"] == 3


def test_comparison_with_itself(clip: Path) -> None:
    result = compare(clip, clip, range(FRAMES))
    assert result.decoded == result.frozen
    assert result.decoded.psnr_rgb_db == EQUAL_DB
    assert result.decoded.ssim in (None, pytest.approx(1))


def test_frozen_picture_is_that_of_the_last_key_frame(clip: Path) -> None:
    never, always = compare(clip, clip, {0}), compare(clip, clip, set(range(FRAMES)))
    halfway = compare(clip, clip, {0, FRAMES // 2})
    floors = [c.frozen.psnr_rgb_db for c in (never, halfway, always)]
    assert floors == sorted(floors)
    assert np.unique(floors).size == 3


def test_ssim_is_left_out_with_a_note(clip: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("imfcodec.cli.comparison.find_spec", lambda name: None)
    result = compare(clip, clip, {0})
    assert result.decoded.ssim is None
    assert "scikit-image" in result.note
