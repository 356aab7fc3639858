"""Small values that are computed once: JSON on disk, named by everything they depend on."""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from imfcodec.bench.fingerprint import digest
from imfcodec.errors import OutputFailed
from imfcodec.media.atomic import AtomicOutput
from imfcodec.media.failures import writing


@dataclass(frozen=True)
class Memo:
    """A folder of such values; several runs may share it.

    A key is all that a value depends on; keys and values are what JSON can hold. A file that is
    damaged or cannot be written costs time only: its value is made again.
    """

    folder: Path

    def get(self, key: object) -> Any:
        """The value that was put under a key; None where there is none."""
        try:
            return json.loads(self._path(key).read_text())["value"]
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def put(self, key: object, value: object) -> None:
        """Keep a value, which is not None, whole or not at all."""
        with suppress(OutputFailed):
            write_whole(self._path(key), json.dumps({"key": key, "value": value}).encode())

    def _path(self, key: object) -> Path:
        name = digest(key)
        return self.folder / name[:2] / f"{name}.json"


def write_whole(path: Path, data: bytes) -> None:
    """Write a file, and its folder where it is missing, whole or not at all.

    Raises:
        OutputFailed: It cannot be written.
    """
    with writing(str(path)):
        path.parent.mkdir(parents=True, exist_ok=True)
        with AtomicOutput(path, overwrite=True) as output:
            output.file.write(data)
