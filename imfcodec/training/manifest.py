"""The list of a weights folder's files: ``manifest.json``."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from imfcodec.config import ModelConfig
from imfcodec.weights import WeightsFile

NAME = "manifest.json"


def register(
    folder: Path, file: WeightsFile, config: ModelConfig, training: dict[str, Any]
) -> None:
    """Add a file to its folder's manifest and make it the default there.

    Entries of files that are gone disappear.

    Args:
        folder: The weights folder.
        file: The new file in it.
        config: Its network's sizes.
        training: How it was trained, for the reader.
    """
    path = folder / NAME
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
