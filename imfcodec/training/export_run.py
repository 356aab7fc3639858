"""From a training run to weights that `imfcodec encode` uses."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path

from imfcodec.errors import InputUnreadable
from imfcodec.training.checkpoint import EMA_FILE
from imfcodec.training.config import TrainConfig
from imfcodec.training.export import export
from imfcodec.training.manifest import register
from imfcodec.training.model_card import add_entry
from imfcodec.weights import WeightsFile


def export_run(
    run: Path,
    clips: Sequence[Path],
    folder: Path,
    name: str,
    advance: Callable[[int, int], None] = lambda done, total: None,
) -> WeightsFile:
    """Write a run's averaged weights, list them in the manifest, and begin their model card.

    Args:
        run: The run's folder.
        clips: Training clips that the entropy tables are fitted on.
        folder: Folder of the weights; the new ones become its default.
        name: Name of the weights.
        advance: Called with how many clips are done, of how many.

    Returns:
        The new file.

    Raises:
        InputUnreadable: The folder is no training run.
        ImfcodecError: As `export` says.
    """
    try:
        config = TrainConfig.from_json((run / "config.json").read_text())
    except OSError as error:
        raise InputUnreadable(f"{run} is not a training run: {error}") from error
    file, _ = export(run / EMA_FILE, config.model, clips, folder, name, advance=advance)
    register(folder, file, config.model, json.loads(config.to_json()))
    add_entry(folder, file, run, config)
    return file
