"""The shipped weights, from clips to file: `python -m imfcodec.training.recipe`.

shard CLIPS MANIFEST OUT        square clips -> training shard
run SHARD VALIDATION RUN        shard -> EMA checkpoint
export RUN CLIPS WEIGHTS NAME   checkpoint -> NAME-SHA8.safetensors
"""

from __future__ import annotations

import csv
import dataclasses
import json
from pathlib import Path

import click
import torch

from imfcodec.config import FAST, ModelConfig
from imfcodec.training.export import export
from imfcodec.training.loop import Stage, TrainConfig, train
from imfcodec.training.shards import ClipLabel, ShardWriter
from imfcodec.video import AudioMode, MediaReader, PictureFrame

PATH = click.Path(path_type=Path)

STUDIO_WEIGHT = 0.3  # spokespeople on plain grounds fill 40 % of the minutes
DRAWN_WEIGHT = 0.5  # generated and drawn faces


@click.group(help=__doc__)
def main() -> None:
    """Entry point."""
    torch.set_num_threads(2)


@main.command()
@click.argument("clips", type=PATH)
@click.argument("manifest", type=PATH)
@click.argument("out", type=PATH)
@click.option("--stride", default=3, help="Keep every stride-th frame.")
@click.option("--size", default=256, help="Side of the clips in pixels.")
def shard(clips: Path, manifest: Path, out: Path, stride: int, size: int) -> None:
    """Turn the folder CLIPS into the shard OUT, labels from MANIFEST (CSV)."""
    with manifest.open() as file:
        rows = {row["clip"]: row for row in csv.DictReader(file)}
    writer = ShardWriter(out, size)
    for path in sorted(clips.glob("*.mp4")):
        row = rows[path.stem]
        studio = "alpha_composited_bg" in row["note"]
        weight = STUDIO_WEIGHT if studio else 1.0 if row["kind"] == "real" else DRAWN_WEIGHT
        with MediaReader(path, audio=AudioMode.NONE) as reader:
            pictures = (e.rgb for e in reader.events() if isinstance(e, PictureFrame))
            frames = [rgb for n, rgb in enumerate(pictures) if n % stride == 0]
        writer.add(ClipLabel(path.stem, row["identity"], weight, stride), frames)
        click.echo(f"{path.stem}: {len(frames)} frames", err=True)
    writer.close()


@main.command()
@click.argument("shard_folder", type=PATH)
@click.argument("validation", type=PATH)
@click.argument("run_folder", type=PATH)
@click.option(
    "--stage",
    "stages",
    multiple=True,
    type=(int, int, float, float),
    help="Picture side, batch, minutes, learning rate; repeat for progressive sizes.",
)
@click.option("--initial", type=PATH, help="Checkpoint to start from.")
@click.option("--seed", default=0, help="Seed of weights and pairs.")
def run(
    shard_folder: Path,
    validation: Path,
    run_folder: Path,
    stages: tuple[tuple[int, int, float, float], ...],
    initial: Path | None,
    seed: int,
) -> None:
    """Train on SHARD_FOLDER, checking on VALIDATION, into RUN_FOLDER."""
    config = TrainConfig(
        str(shard_folder),
        str(validation),
        str(run_folder),
        tuple(Stage(*s) for s in stages),
        FAST,
        str(initial) if initial else None,
        seed,
    )
    click.echo(train(config, lambda line: click.echo(line, err=True)))


@main.command("export")
@click.argument("run_folder", type=PATH)
@click.argument("clips", type=PATH)
@click.argument("weights", type=PATH)
@click.argument("name")
@click.option("--count", default=200, help="Training clips to fit the entropy tables on.")
def export_command(run_folder: Path, clips: Path, weights: Path, name: str, count: int) -> None:
    """Fit tables on CLIPS and write RUN_FOLDER's checkpoint to WEIGHTS as NAME-SHA8.safetensors."""
    config = json.loads((run_folder / "config.json").read_text())
    model = ModelConfig.from_json(json.dumps(config["model"]))
    # Every so-many-th clip, so that all kinds are there.
    paths = sorted(clips.glob("*.mp4"))
    chosen = paths[:: max(1, len(paths) // count)]
    file, _ = export(run_folder / "ema.safetensors", model, chosen, weights, name)
    click.echo(json.dumps({k: str(v) for k, v in dataclasses.asdict(file).items()}))


if __name__ == "__main__":
    main()
