"""What a folder of weights says of its files: ``manifest.json`` and ``MODEL_CARD.md``."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from imfcodec.config import ModelConfig
from imfcodec.training.config import TrainConfig
from imfcodec.training.run_log import METRICS_FILE
from imfcodec.weights import WeightsFile


def add_to_manifest(
    folder: Path, file: WeightsFile, config: ModelConfig, training: dict[str, Any]
) -> None:
    """Add a file to its folder's manifest and make it the default there.

    Entries of files that are gone disappear. ``training`` tells the reader how it was trained. An
    entry's ``presets`` are those of the encoder that take it instead of the default; none do at
    first.
    """
    path = folder / "manifest.json"
    entries = json.loads(path.read_text())["weights"] if path.exists() else []
    data = file.path.read_bytes()
    kept = [
        {**e, "default": False}
        for e in entries
        if (folder / e["file"]).exists() and e["file"] != file.path.name
    ]
    new = {
        "name": file.name,
        "id": file.id.hex(),
        "file": file.path.name,
        "sha256": hashlib.sha256(data).hexdigest(),
        "size_bytes": len(data),
        "preset": config.preset,
        "token_size": config.token_size,
        "training": training,
        "default": True,
    }
    path.write_text(json.dumps({"weights": [*kept, new]}, indent=1) + "\n")


def add_to_model_card(folder: Path, file: WeightsFile, run: Path, config: TrainConfig) -> None:
    """Append the known facts of new weights, of this run; their quality has to be measured.

    A file that has an entry keeps it.
    """
    path = folder / "MODEL_CARD.md"
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
        **_last_figures(run / METRICS_FILE),
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
