"""A codec that does as it is told, in any process."""

from __future__ import annotations

import os
import signal
import time
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import av
import numpy as np

from imfcodec.arrays import Picture
from imfcodec.bench.clip import Clip
from imfcodec.bench.codecs.codec import Encoded
from imfcodec.errors import KeyframeCodecError


@dataclass(frozen=True)
class StepCodec:
    """Quantises with a step, the number in the setting; other settings are mishaps.

    Attributes:
        log: Folder that gets a file for each clip that is coded, and for each that is decoded.
    """

    log: Path
    settings: tuple[str, ...] = ("step32", "step16", "step8", "step2")
    name: str = "steps"
    family: str = "steps"
    role: str = "anchor"
    options: str = ""
    absent: str | None = None

    @property
    def label(self) -> str:
        return self.name

    def missing(self) -> str | None:
        return self.absent

    def version(self) -> str:
        return f"steps 1 {self.options}"

    def encode(self, clip: Clip, setting: str, folder: Path) -> Encoded:
        self._note("encode", clip, setting)
        match setting:
            case "refuses":
                raise KeyframeCodecError("it refuses\nthis clip")
            case "full":
                raise OSError(28, "No space left on device")
            case "libav":
                raise av.error.InvalidDataError(1, "Invalid data")
            case "crashes":
                os.kill(os.getpid(), signal.SIGKILL)
            case "bug":
                raise ZeroDivisionError("a bug")
            case "sleeps":
                time.sleep(60)
        step = int(setting.removeprefix("step")) if setting.startswith("step") else 4
        data = zlib.compress(np.stack([p // step for p in clip.pictures()]).tobytes())
        path = folder / f"{setting}.z"
        path.write_bytes(bytes([step]) + data)
        return Encoded(path, len(data), key_frames=1)

    def decode(self, encoded: Encoded, clip: Clip) -> Iterator[Picture]:
        self._note("decode", clip, encoded.path.stem)
        step, data = (raw := encoded.path.read_bytes())[0], raw[1:]
        shape = (clip.frames, clip.height, clip.width, 3)
        pictures = np.frombuffer(zlib.decompress(data), np.uint8).reshape(shape)
        for picture in pictures[: -1 if encoded.path.stem == "short" else None]:
            yield np.minimum(picture.astype(int) * step + step // 2, 255).astype(np.uint8)

    def noted(self, what: str) -> list[str]:
        """Clip and setting of everything of a kind that was done, sorted."""
        return sorted(p.name.split("~")[1] for p in self.log.glob(f"{what}~*"))

    def _note(self, what: str, clip: Clip, setting: str) -> None:
        self.log.mkdir(exist_ok=True)
        (self.log / f"{what}~{clip.name} {setting}~{time.monotonic_ns()}").touch()
