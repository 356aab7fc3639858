"""`imfcodec train`: shards into weights."""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click

from imfcodec.cli.options import PATH, json_option, wants_json
from imfcodec.cli.output import show_json
from imfcodec.cli.progress import job_progress
from imfcodec.config import PRESETS

Settings = tuple[tuple[str, str], ...]
"""Names and values of --set."""


class DefaultsToRun(click.Group):
    """A group whose command `run` needs no name."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Put `run` in front of arguments that name no command."""
        if args and args[0] not in self.commands and args[0] not in ("--help", "-h"):
            args = ["run", *args]
        return super().parse_args(ctx, args)


@click.group("train", cls=DefaultsToRun, short_help="Train a network and export its weights.")
def train() -> None:
    """Train a network and export its weights.

    `imfcodec train SHARD RUN` is short for `imfcodec train run SHARD RUN`.
    """


validation_option = click.option(
    "--validation", type=PATH, help="Shard of other people, to validate on. Default: none."
)
preset_option = click.option(
    "--preset",
    type=click.Choice(tuple(PRESETS)),
    default="fast",
    show_default=True,
    help="Sizes of the network.",
)
settings_option = click.option(
    "--set",
    "settings",
    type=(str, str),
    multiple=True,
    metavar="FIELD VALUE",
    help="Set another field of the training configuration, value as JSON; repeat for more.",
)
device_option = click.option(
    "--device", default="auto", show_default=True, help="Device that trains: cpu, cuda or auto."
)
workers_option = click.option(
    "--workers",
    type=click.IntRange(min=0),
    help="Worker processes that prepare batches. Default: 0 on a CPU, all cores but one on a GPU.",
)


@train.command("run", short_help="Train on a shard.")
@click.argument("shard", type=PATH, required=False)
@click.argument("run", type=PATH, required=False)
@click.option(
    "--overfit",
    type=PATH,
    metavar="CLIP",
    help="Train on this video alone, instead of a shard; then export the weights and encode it.",
)
@validation_option
@preset_option
@click.option(
    "--stage",
    "stages",
    type=(int, int, int),
    multiple=True,
    metavar="SIDE BATCH STEPS",
    help="One stage of progressive training; repeat for more.",
)
@settings_option
@device_option
@click.option("--resume", is_flag=True, help="Continue from the run's last checkpoint.")
@click.option(
    "--initial",
    metavar="PATH|NAME|ID",
    help="Start from these weights: a run's ema.safetensors, a weights file, or the name or id of "
    "installed weights.",
)
@click.option(
    "--teacher",
    metavar="PATH|NAME|ID",
    help="Train a cheaper decoder for the tokens of these weights, from what it shares with them.",
)
@click.option(
    "--restoration",
    type=PATH,
    help="Network that restores decoded key frames: a file that `train restoration` wrote, or a "
    "weights file. Default: that of --initial or --teacher.",
)
@click.option("--minutes", type=float, help="Save and stop after this time. Default: no limit.")
@workers_option
@click.option("--wandb", metavar="PROJECT", help="Also log to this Weights & Biases project.")
@json_option
def run_command(
    shard: Path | None,
    run: Path | None,
    overfit: Path | None,
    stages: tuple[tuple[int, int, int], ...],
    settings: Settings,
    **options: Any,
) -> None:
    """Train on SHARD and write the run into the folder RUN; torchrun trains in many processes.

    `imfcodec train --overfit CLIP [RUN]` prepares, trains, exports and encodes with one video.
    """
    from imfcodec.errors import OptionError
    from imfcodec.model.precision import natural_precision
    from imfcodec.training.config import Stage, TrainConfig
    from imfcodec.training.loop import train as train_loop

    model = PRESETS[options.pop("preset")]
    if overfit:
        taken = {name: options.pop(name) for name in ("device", "initial", "minutes")}
        workers = options.pop("workers")
        if any((run, stages, settings, *options.values())) or workers is not None:
            raise OptionError("--overfit CLIP takes only a folder RUN and no settings")
        taken["initial"] = _initial(taken["initial"])
        run = shard or Path(f"{overfit.stem}-overfit")
        _overfit(overfit, run, model=model, **taken)
        return
    if shard is None or run is None:
        raise OptionError("training needs SHARD and RUN, or --overfit CLIP")
    config_file = run / "config.json"
    if options["resume"] and config_file.exists() and not stages and not settings:
        config = TrainConfig.from_json(config_file.read_text())
    else:
        legs = tuple(Stage(*s) for s in stages or ((64, 16, 4000), (128, 16, 4000), (256, 8, 2000)))
        base = TrainConfig(legs, model, precision=natural_precision(options["device"]))
        fields = json.loads(base.to_json())
        config = TrainConfig.from_json(json.dumps(_changed(fields, settings)))
    for name in ("initial", "teacher"):
        options[name] = _initial(options[name])
    figures = train_loop(config, shard, run=run, say=_say, **options)
    _show(figures, f"averaged weights: {run / 'ema.safetensors'}")


def _overfit(clip: Path, run: Path, **options: Any) -> None:
    from imfcodec.training.overfit import SIDE, overfit

    report = overfit(clip, run, say=_say, **options)
    coded = report.encoding
    record = {
        "weights": str(report.weights),
        "stream": str(report.stream),
        "psnr_db": coded.psnr_db,
        "rate_kbps": coded.rate_kbps,
        **report.training,
    }
    quality = f"{coded.rate_kbps:.2f} kbps, PSNR-RGB {coded.psnr_db:.2f} dB at {SIDE} pixels"
    text = f"weights: {report.weights}\nstream:  {report.stream}: {quality}"
    _show(record, text)


def _initial(choice: str | None) -> Path | None:
    """A file that exists, or that of installed weights."""
    from imfcodec.weights import find

    if choice is None or Path(choice).exists():
        return None if choice is None else Path(choice)
    return find(choice).path


def _changed(fields: dict[str, Any], settings: Settings) -> dict[str, Any]:
    """The fields with new values for the named ones, each JSON or a plain word."""
    from imfcodec.errors import OptionError

    changed = dict(fields)
    for name, value in settings:
        if name not in fields:
            raise OptionError(f"there is no setting {name!r}; there are: {', '.join(fields)}")
        try:
            changed[name] = json.loads(value)
        except ValueError:
            changed[name] = value
    return changed


@contextmanager
def _checked_kinds() -> Iterator[None]:
    """Turn the TypeError of a value of a wrong kind into an error of the option."""
    from imfcodec.errors import OptionError

    try:
        yield
    except TypeError as error:
        raise OptionError(f"a setting is of the wrong kind: {error}") from error


def _say(line: str) -> None:
    click.echo(line, err=True)


def _show(record: dict[str, Any], text: str) -> None:
    if wants_json():
        show_json(record)
    else:
        click.echo(text)


@train.command("restoration", short_help="Train the network that restores decoded key frames.")
@click.argument("shard", type=PATH)
@click.argument("run", type=PATH)
@validation_option
@preset_option
@settings_option
@device_option
@click.option(
    "--initial",
    metavar="PATH|NAME|ID",
    help="Start from the file that another such run wrote, or from installed weights. Passes and "
    "blocks that the preset lacks are left out.",
)
@workers_option
@json_option
def restoration_command(
    shard: Path,
    run: Path,
    preset: str,
    settings: Settings,
    initial: str | None,
    **options: Any,
) -> None:
    """Train on SHARD's decoded key frames and write RUN/restoration.safetensors.

    Run this before `imfcodec train run --restoration RUN/restoration.safetensors`.
    """
    from imfcodec.model.precision import natural_precision
    from imfcodec.training.restoration import FILE, RestorationConfig, train_restoration

    model = PRESETS[preset]
    defaults = RestorationConfig(model, precision=natural_precision(options["device"]))
    fields = dataclasses.asdict(defaults)
    del fields["model"]
    changed = _changed(fields, settings)
    with _checked_kinds():
        figures = train_restoration(
            RestorationConfig(model, **changed),
            shard,
            run=run,
            initial=_initial(initial),
            say=_say,
            **options,
        )
    _show(figures, f"restoration: {run / FILE}")


@train.command("tokens", short_help="Store tokens that a sender chooses, for training.")
@click.argument("shard", type=PATH)
@click.option(
    "--weights",
    metavar="NAME|ID|PATH",
    help="Weights of the sender. Default: as `imfcodec weights list` shows.",
)
@settings_option
@workers_option
@json_option
def tokens_command(
    shard: Path,
    weights: str | None,
    settings: Settings,
    workers: int | None,
) -> None:
    """Let a sender choose tokens for SHARD's frames and write them to SHARD/sent.safetensors.

    A sender sees every frame, so prepare the shard with --stride 1. `imfcodec train run --set sent
    SHARE` then trains the receiver's network on these tokens.
    """
    from imfcodec.training.send import SendConfig, send_tokens
    from imfcodec.training.sent_tokens import FILE
    from imfcodec.weights import find

    changed = _changed(dataclasses.asdict(SendConfig()), settings)
    with _checked_kinds():
        config = SendConfig(**changed)
        sent = send_tokens(shard, find(weights), config, workers=workers or 0, say=_say)
    runs, frames, _ = sent.tokens.shape
    record = {"runs": runs, "frames": runs * frames, "path": str(shard / FILE)}
    text = f"{runs * frames} tokens in {runs} runs: {shard / FILE}"
    _show(record, text)


@train.command("export", short_help="Turn a run's averaged weights into a weights file.")
@click.argument("run", type=PATH)
@click.argument("clips", type=PATH, required=False)
@click.option(
    "--tables",
    metavar="PATH|NAME|ID",
    help="Take the entropy tables of these weights, the run's teacher, instead of fitting them.",
)
@click.option(
    "--to",
    "folder",
    type=PATH,
    default=Path("weights"),
    show_default=True,
    help="Folder that gets the weights file.",
)
@click.option("--name", default="fast", show_default=True, help="Name of the weights.")
@click.option(
    "--count",
    type=click.IntRange(min=1),
    default=200,
    show_default=True,
    help="Number of training clips from CLIPS to fit the entropy tables on.",
)
@json_option
def export_command(
    run: Path, clips: Path | None, tables: str | None, folder: Path, name: str, count: int
) -> None:
    """Write RUN's weights as NAME-SHA8.safetensors, with tables fitted on the videos in CLIPS.

    A run that had a teacher takes its tables with --tables and needs no CLIPS.

    The weights become the default in the folder's manifest.json, and its MODEL_CARD.md gets an
    entry to fill in.
    """
    from imfcodec.errors import OptionError
    from imfcodec.sources import find_sources
    from imfcodec.training.export import export_run
    from imfcodec.weights import load_weights

    if (clips is None) == (tables is None):
        raise OptionError("export needs CLIPS to fit tables on, or --tables, not both")
    given = load_weights(tables).tables if tables else None
    paths = [source.path for source in find_sources([clips])] if clips else []
    # Clips at even distances, so that all kinds are included.
    chosen = paths[:: max(1, math.ceil(len(paths) / count))]
    with job_progress("export") as advance:
        say = advance or (lambda done, total: None)
        file = export_run(run, chosen, folder, name, say, given)
    record = {"name": file.name, "id": file.id.hex(), "path": str(file.path)}
    _show(record, str(file.path))
