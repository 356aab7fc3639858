"""Our own codec, through real .imf files."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import av
import torch

import imfcodec
from imfcodec import weights
from imfcodec.bench.clip import Clip, Picture
from imfcodec.bench.codecs.codec import Encoded
from imfcodec.bench.codecs.imf_setting import with_setting
from imfcodec.bench.source_code import PACKAGE, source_digest
from imfcodec.config import DecodeOptions, EncodeOptions
from imfcodec.errors import DamagedStream, ImfcodecError
from imfcodec.receiver.decoder import Decoder
from imfcodec.sender import encode

_WITHOUT_EFFECT = ("bench", "cli", "metrics", "training")
"""Folders of the package that neither write nor read streams."""


@dataclass(frozen=True)
class IMF:
    """This package's sender and receiver with one set of weights.

    Settings are those of `imf_setting`: `crf34-q2`, `crf34-q2-k3`.

    Attributes:
        weights: By name, id or path as `imfcodec.weights.find` takes them; None: the default.
        threads: Torch's.
        device: Torch device of the receiver's network.
    """

    weights: str | None = None
    threads: int = 1
    device: str = "cpu"

    @property
    def name(self) -> str:
        """`imf-fast-531e4352`."""
        return f"imf-{self._weights_label()}"

    @property
    def label(self) -> str:
        """For people."""
        return f"imfcodec, weights {self._weights_label()}"

    @property
    def family(self) -> str:
        """One per set of weights."""
        return self.label

    @property
    def role(self) -> str:
        """What the benchmark is about."""
        return "ours"

    @property
    def settings(self) -> tuple[str, ...]:
        """From low to high rate.

        What a frame is rebuilt from decides most: better key frames, and more of them.
        """
        return (
            "crf46-q6-k5",
            "crf39-q5-k4",
            "crf34-q5-k2.5",
            "crf30-q4-k1.5",
        )

    def missing(self) -> str | None:
        """Whether there are no such weights where the receiver looks for them."""
        try:
            # A stream names its weights by id: a path that only the sender knows is no use.
            weights.find_by_id(weights.find(self.weights).id)
        except ImfcodecError as error:
            return str(error)
        return None

    def version(self) -> str:
        """Release and source of the package, weights, libraries, threads and device."""
        return (
            f"imfcodec {imfcodec.__version__} source {_source_digest()}, "
            f"weights {self._weights_label()}, torch {torch.__version__}, "
            f"PyAV {av.__version__}, "
            f"threads={self.threads} device={self.device}"
        )

    def encode(self, clip: Clip, setting: str, folder: Path) -> Encoded:
        """Code a whole clip into ``folder``.

        Raises:
            OptionError: The setting is none.
            ImfcodecError: As `imfcodec.sender.encode` says.
        """
        path = folder / f"{self.name}-{setting}.imf"
        report = encode(clip.path, path, self._options(setting))
        return Encoded(path, path.stat().st_size - report.sizes.audio_bytes, report.key_frames)

    def decode(self, encoded: Encoded, clip: Clip) -> Iterator[Picture]:
        """The decoded frames at display size.

        Raises:
            DamagedStream: The receiver had to repeat a frame.
            ImfcodecError: As `imfcodec.receiver.Decoder` says.
        """
        options = DecodeOptions(threads=self.threads, device=self.device)
        with encoded.path.open("rb") as file:
            for frame in Decoder(file, options):
                if frame.lost:
                    raise DamagedStream(f"{encoded.path}: frame {frame.number} is not in it")
                yield frame.rgb

    def _options(self, setting: str) -> EncodeOptions:
        options = EncodeOptions(
            weights=self.weights, audio="none", threads=self.threads, overwrite=True
        )
        return with_setting(options, setting)

    def _weights_label(self) -> str:
        try:
            return weights.find(self.weights).label
        except ImfcodecError:
            return f"{self.weights or 'default'}-missing"


@cache
def _source_digest() -> str:
    """Eight digits of a hash over all code that takes part in writing and reading streams."""
    files = [
        path
        for path in PACKAGE.rglob("*.py")
        if path.relative_to(PACKAGE).parts[0] not in _WITHOUT_EFFECT
    ]
    ours = (PACKAGE / "bench" / "codecs" / name for name in ("imf.py", "imf_setting.py"))
    return source_digest([*files, *ours])[:8]
