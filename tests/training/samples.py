"""A shard of moving pictures and a run that takes seconds."""

from __future__ import annotations

from pathlib import Path

from imfcodec.training.config import Stage, TrainConfig
from imfcodec.training.shards import ClipLabel, ShardWriter
from tests.conftest import moving_picture
from tests.tiny import TINY

SMALL_JUDGE = (8, 16, 32, 64)
"""Channels of a discriminator for runs that do not look at it."""


class NoMeter:
    """Counting operations takes longer than doing them; `test_utilisation` sees to that."""

    counting = False

    def begin(self, kind: object) -> None:
        pass

    def end(self) -> None:
        pass

    def take(self) -> int:
        return 0


def write_shard(folder: Path, clips: int = 3, frames: int = 12) -> Path:
    """Clips of `moving_picture` at different phases, 64x64."""
    writer = ShardWriter(folder, 64)
    for clip in range(clips):
        pictures = [moving_picture(3 * n + 11 * clip) for n in range(frames)]
        writer.add(ClipLabel(f"clip{clip}", f"person{clip}"), pictures)
    writer.close()
    return folder


def small_run(**changes: object) -> TrainConfig:
    """Ten steps on two sizes, no perceptual network."""
    settings: dict[str, object] = {
        "stages": (Stage(32, 4, 6), Stage(64, 4, 4)),
        "model": TINY,
        "perceptual": 0.0,
        "flow_end": 0.5,
        "warmup_steps": 2,
        "noise_steps": 3,
        "checkpoint_steps": 4,
        "log_steps": 5,
    }
    return TrainConfig(**{**settings, **changes})
