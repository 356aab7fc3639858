"""Our own codec, through real .imf files. A setting is a quality, 0 to 100."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import ClassVar

import av
import torch

import imfcodec
from imfcodec import weights
from imfcodec.arrays import Picture
from imfcodec.bench.clip import Clip
from imfcodec.bench.codecs.codec import Encoded
from imfcodec.bench.fingerprint import PACKAGE, code_digest
from imfcodec.codec.network import TORCH
from imfcodec.config import DecodeOptions, EncodeOptions
from imfcodec.errors import DamagedStream, ImfcodecError, OptionError
from imfcodec.media import resize
from imfcodec.receiver.decoder import Decoder
from imfcodec.sender import encode
from imfcodec.weights import WeightsFile

_WITHOUT_EFFECT = ("bench", "cli", "metrics", "training", "py.typed")
"""What of the package neither writes nor reads streams."""


@dataclass(frozen=True)
class IMF:
    """This package's sender and receiver with one preset.

    Attributes:
        preset: As `EncodeOptions.preset`.
        weights: By name, id or path as `imfcodec.weights.find` takes them; None: the preset's.
        threads: Torch's.
        device: Torch device of the receiver's network.
    """

    preset: str = "default"
    weights: str | None = None
    threads: int = 1
    device: str = "cpu"

    role: ClassVar[str] = "ours"
    settings: ClassVar[tuple[str, ...]] = ("20", "40", "60", "80", "90", "100")

    @property
    def name(self) -> str:
        """`imf-default-fast-531e4352`."""
        return f"imf-{self.preset}-{self._weights_label()}"

    @property
    def label(self) -> str:
        """For people."""
        return f"imfcodec, preset {self.preset}, weights {self._weights_label()}"

    @property
    def family(self) -> str:
        """One for each preset with its weights."""
        return self.label

    def missing(self) -> str | None:
        """Whether there are no such weights where the receiver looks for them."""
        try:
            # A stream names its weights by id: a path that only the sender knows is no use.
            weights.find_by_id(self._weights_file().id)
        except ImfcodecError as error:
            return str(error)
        return None

    def version(self) -> str:
        """Release and source of the package, weights, libraries, threads and device."""
        return (
            f"imfcodec {imfcodec.__version__} source {_source_digest()}, "
            f"weights {self._weights_label()}, torch {torch.__version__}, PyAV {av.__version__}, "
            f"preset={self.preset} threads={self.threads} device={self.device}"
        )

    def encode(self, clip: Clip, setting: str, folder: Path) -> Encoded:
        """Code a whole clip into ``folder``.

        Raises:
            OptionError: The setting is no quality.
            ImfcodecError: As `imfcodec.sender.encode` says.
        """
        try:
            quality = float(setting)
        except ValueError as error:
            raise OptionError(f"{setting!r} is no setting: it must be a quality") from error
        path = folder / f"{self.name}-{setting}.imf"
        options = EncodeOptions(
            preset=self.preset,
            weights=self.weights,
            quality=quality,
            audio="none",
            threads=self.threads,
            overwrite=True,
        )
        report = encode(clip.path, path, options)
        return Encoded(path, path.stat().st_size - report.sizes.audio_bytes, report.key_frames)

    def decode(self, encoded: Encoded, clip: Clip) -> Iterator[Picture]:
        """The decoded frames at the clip's size.

        Raises:
            DamagedStream: The receiver had to repeat a frame.
            ImfcodecError: As `imfcodec.receiver.Decoder` says.
        """
        options = DecodeOptions(threads=self.threads, engine=TORCH, device=self.device)
        with encoded.path.open("rb") as file:
            for frame in Decoder(file, options):
                if frame.lost:
                    raise DamagedStream(f"{encoded.path}: frame {frame.number} is not in it")
                yield resize(frame.rgb, (clip.width, clip.height))

    def _weights_file(self) -> WeightsFile:
        return weights.find(self.weights, preset=self.preset)

    def _weights_label(self) -> str:
        try:
            return self._weights_file().label
        except ImfcodecError:
            return f"{self.weights or 'default'}-missing"


@cache
def _source_digest() -> str:
    """Eight digits of a hash over all code that takes part in writing and reading streams."""
    parts = {path.name for path in PACKAGE.iterdir()}.difference(_WITHOUT_EFFECT)
    return code_digest((*parts, "bench/codecs/imf.py"))[:8]
