"""The entry that an exported weights file gets in its folder's ``MODEL_CARD.md``."""

from __future__ import annotations

import json
from pathlib import Path

from imfcodec.training.config import TrainConfig
from imfcodec.weights import WeightsFile

NAME = "MODEL_CARD.md"


def add_entry(folder: Path, file: WeightsFile, run: Path, config: TrainConfig) -> None:
    """Append the known facts of new weights; their quality has to be measured.

    A file that has an entry keeps it.

    Args:
        folder: The weights folder.
        file: The new file in it.
        run: Folder of its training run.
        config: Of the run.
    """
    path = folder / NAME
    card = path.read_text() if path.exists() else "# Weights\n"
    heading = f"## {file.path.name}"
    if heading in card:
        return
    stages = ", ".join(f"{s.steps} steps of {s.batch} at {s.size} px" for s in config.stages)
    rows = {
        "preset": f"`{config.model.preset}`, token of {config.model.token_size} values",
        "planned": stages,
        "loss": f"{config.l1:g} L1, {config.perceptual:g} {config.perceptual_net}, "
        + (f"{config.gan:g} GAN" if config.gan and config.gan_start < 1 else "no GAN"),
        **_last_figures(run / "metrics.jsonl"),
    }
    table = "\n".join(f"| {name} | {value} |" for name, value in rows.items())
    path.write_text(
        f"{card.rstrip()}\n\n{heading}\n\n| | |\n|---|---|\n{table}\n\n"
        "Data, licences and what fails: to be written. Figures on real streams: "
        "`imfcodec bench CLIPS --out DIR`.\n"
    )


def _last_figures(log: Path) -> dict[str, str]:
    """What the run's log says of its end; nothing without a log."""
    if not log.exists():
        return {}
    last = json.loads(log.read_text().splitlines()[-1])
    rows = {"trained": f"{last['step']:.0f} steps, {last['skipped']:.0f} skipped"}
    if "val_psnr_db" in last:
        lpips = f", LPIPS SqueezeNet {last['val_lpips']:.4f}" if "val_lpips" in last else ""
        rows["validation pairs"] = f"PSNR-RGB {last['val_psnr_db']:.2f} dB{lpips}"
        frozen = f", {last['freeze_lpips']:.4f}" if "freeze_lpips" in last else ""
        rows["their frozen reference"] = f"{last['freeze_psnr_db']:.2f} dB{frozen}"
    return rows
