"""Small values that are computed once: JSON on disk, named by everything they depend on."""

from __future__ import annotations

import json
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

    A file that is damaged or cannot be written costs time only: its value is made again.
    """

    folder: Path

    def get(self, key: object) -> Any:
        """The value that was put under a key; None where there is none.

        Args:
            key: All that the value depends on, as JSON can hold it.
        """
        try:
            return json.loads(self._path(key).read_text())["value"]
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def put(self, key: object, value: object) -> None:
        """Keep a value, whole or not at all.

        Args:
            key: As `get` takes it.
            value: Not None; as JSON can hold it.
        """
        path = self._path(key)
        data = json.dumps({"key": key, "value": value}).encode()
        try:
            with writing(str(path)):
                path.parent.mkdir(parents=True, exist_ok=True)
                with AtomicOutput(path, overwrite=True) as output:
                    output.file.write(data)
        except OutputFailed:
            return

    def _path(self, key: object) -> Path:
        name = digest(key)
        return self.folder / name[:2] / f"{name}.json"
