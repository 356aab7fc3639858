"""The table of figures per clip."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from imfcodec.bench.clip_table import main


def test_table_and_json(small_video: Path, tmp_path: Path, tiny_weights: str) -> None:
    out = tmp_path / "deep" / "results.json"
    result = CliRunner().invoke(
        main,
        [str(small_video), "--weights", tiny_weights, "--no-lpips", "--out", str(out)],
        catch_exceptions=False,
    )
    assert result.exit_code == 0
    record = json.loads(out.read_text())
    (clip,) = record["clips"]
    assert clip["frames"] == 12
    total = clip["key_bytes"] + clip["token_bytes"] + clip["container_bytes"]
    assert clip["rate_kbps"] == pytest.approx(8 * total / clip["duration_s"] / 1000)
    assert clip["frozen"]["motion_error"] == 1.0  # the floor, by definition
    assert clip["decoded"]["lpips_alex"] is None
    assert 0 < clip["decoded"]["ssim"] < 1
    assert clip["clip"] in result.output
    assert record["x264_anchor_fps"] > 0
