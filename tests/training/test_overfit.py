"""`imfcodec train --overfit`: from a video to a stream coded with its own weights."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from click.testing import CliRunner

from imfcodec.cli.main import imfcodec
from imfcodec.receiver.decoder import Decoder
from imfcodec.training.overfit import overfit
from tests.tiny import TINY
from tests.training.test_prepare import write_video


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    """A swaying look at a pattern."""
    rng = np.random.default_rng(0)
    pattern = cv2.resize(rng.integers(40, 220, (12, 12, 3), dtype=np.uint8), (160, 160))
    corners = [round(16 + 12 * np.sin(n / 3)) for n in range(24)]
    return write_video(
        tmp_path / "pattern.mp4", [pattern[16:144, left : left + 128] for left in corners]
    )


def test_the_loss_falls_and_the_stream_decodes(
    clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Within seconds the loss of a tiny network falls below 0.6 of what it was."""
    run = tmp_path / "run"
    monkeypatch.setattr("imfcodec.training.overfit.SIDE", 64)
    report = overfit(clip, run, steps=80, model=TINY, learning_rate=4e-3, device="cpu")
    lines = (run / "run" / "metrics.jsonl").read_text().splitlines()
    first, last = json.loads(lines[0]), json.loads(lines[-1])
    assert last["l1"] < 0.6 * first["l1"]
    assert last["val_psnr_db"] > last["freeze_psnr_db"]
    assert report.encoding.frames == 24
    monkeypatch.setenv("IMFCODEC_WEIGHTS", str(run / "weights"))
    with report.stream.open("rb") as file:
        assert sum(1 for _ in Decoder(file)) == 24


def test_it_takes_no_settings(clip: Path, tmp_path: Path) -> None:
    result = CliRunner().invoke(
        imfcodec, ["train", "--overfit", str(clip), "--set", "seed", "3", str(tmp_path / "run")]
    )
    assert result.exit_code == 2
    assert "no settings" in result.output
    assert CliRunner().invoke(imfcodec, ["train", "run"]).exit_code == 2
