"""A network for one clip: prepare, train, export and encode in minutes on a CPU."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from imfcodec.config import FAST, EncodeOptions, ModelConfig
from imfcodec.model.precision import natural_precision
from imfcodec.sender import EncodeReport, encode
from imfcodec.training.config import Stage, TrainConfig
from imfcodec.training.export import export_run
from imfcodec.training.loop import train
from imfcodec.training.prepare.options import PrepareOptions
from imfcodec.training.prepare.run import prepare

SIDE = 128  # pixels


@dataclass(frozen=True)
class OverfitReport:
    """Result of an overfit run.

    Attributes:
        weights: The exported file.
        stream: The clip, coded with it.
        encoding: The sender's report; ``psnr_db`` is what a receiver will see at ``SIDE`` pixels.
        training: Last figures of the run.
    """

    weights: Path
    stream: Path
    encoding: EncodeReport
    training: dict[str, float]


def overfit(
    clip: Path,
    run: Path,
    *,
    steps: int = 2400,
    model: ModelConfig = FAST,
    learning_rate: float = 5e-4,
    device: str = "auto",
    minutes: float | None = None,
    initial: Path | None = None,
    say: Callable[[str], None] = lambda line: None,
) -> OverfitReport:
    """Prepare a clip, train on it alone, export the weights and encode the clip with them.

    Args:
        clip: Any video.
        run: Folder for all of it.
        steps: Optimiser steps of eight pairs.
        model: Sizes of the network.
        learning_rate: Peak rate.
        device: "cpu", "cuda" or "auto".
        minutes: Of training, when the steps would take longer.
        initial: Weights to start from.
        say: Called with each log line.

    Raises:
        ImfcodecError: As `prepare`, `train` and `encode`.
    """
    say("1 of 4: preparing the clip")
    prepare([clip], run / "shards", PrepareOptions(SIDE, stride=1, face=False, val_share=0))
    shard = run / "shards" / "train"
    config = TrainConfig(
        (Stage(SIDE, 8, steps),),
        model,
        learning_rate=learning_rate,
        warmup_steps=50,
        ema=0.99,
        perceptual=0.0,  # the figure is PSNR, and no backbone has to be had
        precision=natural_precision(device),
        noise_steps=steps // 4,
        affine=0.0,
        recolour=0.0,
        minutes=minutes,
    )
    say("2 of 4: training")
    figures = train(config, shard, shard, run / "run", device=device, initial=initial, say=say)
    say("3 of 4: exporting the weights")
    weights = export_run(run / "run", [clip], run / "weights", "overfit")
    say("4 of 4: encoding the clip")
    stream = run / f"{clip.stem}.imf"
    options = EncodeOptions(
        weights=str(weights.path),
        short_side=SIDE,
        layout="whole",
        mode="imf",  # a window would not show what the network has learnt
        measure=True,
        audio="none",
        overwrite=True,
    )
    return OverfitReport(weights.path, stream, encode(clip, stream, options), figures)
