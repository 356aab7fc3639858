"""`imfcodec weights`: which are installed, whether they are intact, where they are; exports."""

from __future__ import annotations

import math
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import click

from imfcodec.cli.options import json_option, overwrite_option, wants_json
from imfcodec.cli.output import show_columns, show_json, show_lines, show_result, show_warnings
from imfcodec.cli.records import Record
from imfcodec.cli.text import bytes_text, path_text
from imfcodec.errors import ImfcodecError, OptionError, WeightsMissing

if TYPE_CHECKING:
    from imfcodec.weights import WeightsFile


@click.group()
def weights() -> None:
    """List, verify and locate the weights of the network."""


@weights.command("list")
@json_option
def list_() -> None:
    """List the installed weights, and which the presets of `encode` take."""
    from imfcodec import weights as store
    from imfcodec.config import EFFORTS

    users: dict[bytes, list[str]] = {}
    with suppress(WeightsMissing):
        default = store.find(None).id
        users[default] = ["default"]
        for preset in EFFORTS:
            if (own := store.find(None, preset=preset).id) != default:
                users.setdefault(own, []).append(preset)
    records = [_record(file, users.get(file.id, [])) for file in store.available()]
    if wants_json():
        show_json({"weights": records, "folders": [str(f) for f in store.folders()]})
        return
    if not records:
        show_warnings([f"no weights are installed; put a weights file into {store.folders()[0]}"])
        return
    heading = ("name", "id", "for", "size", "architecture", "parameters", "file")
    show_columns([heading, *map(_cells, records)])


@weights.command()
@click.argument("choices", metavar="[NAME|ID|PATH]...", nargs=-1)
@json_option
def verify(choices: tuple[str, ...]) -> None:
    """Check the sha256 of weights and load them; without arguments, all that are installed.

    The exit code is that of the first error.
    """
    from imfcodec import weights as store

    wanted = list(choices) or [str(file.path) for file in store.available()]
    if not wanted:
        raise WeightsMissing("no weights are installed")
    results = [(choice, _verified(choice)) for choice in wanted]
    verdicts = [
        {
            "weights": choice,
            "ok": error is None,
            "error": type(error).__name__ if error else None,
            "message": str(error) if error else None,
        }
        for choice, error in results
    ]
    rows = [(choice, f"failed: {error}" if error else "ok") for choice, error in results]
    show_result({"weights": verdicts}, rows)
    for _, error in results:
        if error is not None:
            raise error


def _verified(choice: str) -> ImfcodecError | None:
    """What is wrong with weights; None if they can be loaded."""
    from imfcodec import weights as store

    try:
        store.load(store.find(choice))
    except ImfcodecError as error:
        return error
    return None


@weights.command()
@click.argument("choice", metavar="[NAME|ID|PATH]", required=False)
@click.option(
    "--mnn",
    metavar="DIR",
    type=click.Path(file_okay=False, path_type=Path),
    help="Write graphs for MNN into DIR/NAME-ID.mnn. Needs the extra mnn.",
)
@click.option(
    "--onnx",
    metavar="DIR",
    type=click.Path(file_okay=False, path_type=Path),
    help="Write graphs for onnxruntime into DIR/NAME-ID.onnx. Needs the extra onnx.",
)
@overwrite_option
@json_option
def export(choice: str | None, mnn: Path | None, onnx: Path | None, overwrite: bool) -> None:
    """Export weights for a faster engine; the default weights if none are named.

    If DIR is one of the folders that `imfcodec weights path` prints, `decode` uses them instead of
    torch. From elsewhere, `decode --engine mnn --weights DIR/NAME-ID.mnn` does. The graphs take
    pictures whose sides are multiples of 32; they are compared with torch before they are written.
    """
    from imfcodec import weights as store
    from imfcodec.codec.network import MNN, ONNX
    from imfcodec.codec.network.export import export as write
    from imfcodec.media.failures import writing

    folder = mnn or onnx
    if folder is None or (mnn and onnx):
        raise OptionError("name either --mnn DIR or --onnx DIR")
    with writing(str(folder)):
        engine = MNN if mnn else ONNX
        file = write(store.load_weights(choice), folder, engine, overwrite=overwrite)
    size_bytes = sum(part.stat().st_size for part in file.path.iterdir())
    show_result(
        {"weights": file.label, "folder": str(file.path), "size_bytes": size_bytes},
        [("exported", f"{file.label} -> {path_text(str(file.path))}, {bytes_text(size_bytes)}")],
    )


@weights.command()
@click.argument("choice", metavar="[NAME|ID]", required=False)
def path(choice: str | None) -> None:
    """Print the path of one weights file, or the folders that are searched, in order."""
    from imfcodec import weights as store

    paths = store.folders() if choice is None else [store.find(choice).path]
    show_lines(str(path) for path in paths)


def _record(file: WeightsFile, users: list[str]) -> Record:
    architecture, parameters = _content(file)
    return {
        "name": file.name,
        "id": file.id.hex(),
        "default": "default" in users,
        "presets": [user for user in users if user != "default"],
        "size_bytes": file.path.stat().st_size,
        "architecture": architecture,
        "parameters": parameters,
        "file": str(file.path),
    }


def _content(file: WeightsFile) -> tuple[str | None, int | None]:
    """Name of the sizes, number of parameters; None if the file cannot be read. Loads no tensor."""
    from safetensors import SafetensorError, safe_open

    from imfcodec.config import ModelConfig

    try:
        with safe_open(file.path, framework="pt") as content:
            config = ModelConfig.from_json((content.metadata() or {}).get("config", ""))
            parameters = sum(
                math.prod(content.get_slice(name).get_shape())
                for name in content.keys()  # noqa: SIM118 - not a mapping
                if name.startswith("model.")
            )
    except (SafetensorError, OSError, ImfcodecError):
        return None, None
    return config.preset, parameters


def _cells(record: Record) -> tuple[str, ...]:
    readable = record["parameters"] is not None
    return (
        record["name"],
        record["id"],
        ", ".join(["default"] * record["default"] + [f"--preset {p}" for p in record["presets"]]),
        bytes_text(record["size_bytes"]),
        record["architecture"] if readable else "unreadable",
        f"{record['parameters'] / 1e6:.2f} M" if readable else "",
        record["file"],
    )
