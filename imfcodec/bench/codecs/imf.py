"""Our own codec, through real .imf files.

The name of a setting describes the sender's options:

crf34-q1-k2.5-r8
  │    │  │    └─ steps of refinement; left out: the sender's default
  │    │  └────── longest time between key frames in seconds; left out: one key frame
  │    └───────── quantiser of tokens
  └────────────── quality of key frames
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import ClassVar, Final

import av
import torch

import imfcodec
from imfcodec import weights
from imfcodec.arrays import Picture
from imfcodec.bench.clip import Clip
from imfcodec.bench.codecs.codec import Encoded
from imfcodec.bench.fingerprint import PACKAGE, code_digest
from imfcodec.config import NO_LIMIT_S, DecodeOptions, EncodeOptions
from imfcodec.errors import DamagedStream, ImfcodecError, OptionError
from imfcodec.media import resize
from imfcodec.receiver.decoder import Decoder
from imfcodec.sender import encode

_WITHOUT_EFFECT = ("bench", "cli", "metrics", "training", "py.typed")
"""What of the package neither writes nor reads streams."""

_SETTING: Final = re.compile(
    r"crf(?P<key_crf>\d+)-q(?P<quantiser>\d+)"
    r"(?:-k(?P<interval_s>\d+(?:\.\d+)?))?(?:-r(?P<refine>\d+))?",
    re.ASCII,
)


@dataclass(frozen=True)
class IMF:
    """This package's sender and receiver with one set of weights.

    Attributes:
        weights: By name, id or path as `imfcodec.weights.find` takes them; None: the default.
        threads: Torch's.
        device: Torch device of the receiver's network.
    """

    weights: str | None = None
    threads: int = 1
    device: str = "cpu"

    role: ClassVar[str] = "ours"
    settings: ClassVar[tuple[str, ...]] = (
        "crf46-q6-k5",
        "crf39-q5-k4",
        "crf34-q5-k2.5",
        "crf30-q4-k1.5",
    )
    """From low to high rate.

    What a frame is rebuilt from decides most: better key frames, and more of them.
    """

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
        options = EncodeOptions(
            weights=self.weights,
            audio="none",
            threads=self.threads,
            mode="imf",  # a setting is one of key frames and tokens
            overwrite=True,
        )
        report = encode(clip.path, path, with_setting(options, setting))
        return Encoded(path, path.stat().st_size - report.sizes.audio_bytes, report.key_frames)

    def decode(self, encoded: Encoded, clip: Clip) -> Iterator[Picture]:
        """The decoded frames at the clip's size.

        Raises:
            DamagedStream: The receiver had to repeat a frame.
            ImfcodecError: As `imfcodec.receiver.Decoder` says.
        """
        options = DecodeOptions(threads=self.threads, device=self.device)
        with encoded.path.open("rb") as file:
            for frame in Decoder(file, options):
                if frame.lost:
                    raise DamagedStream(f"{encoded.path}: frame {frame.number} is not in it")
                yield resize(frame.rgb, (clip.width, clip.height))

    def _weights_label(self) -> str:
        try:
            return weights.find(self.weights).label
        except ImfcodecError:
            return f"{self.weights or 'default'}-missing"


def with_setting(options: EncodeOptions, setting: str) -> EncodeOptions:
    """Options of the sender as a setting changes them.

    Raises:
        OptionError: It is no setting, or a number is out of range.
    """
    match = _SETTING.fullmatch(setting)
    if not match:
        raise OptionError(f"{setting!r} is no setting; examples are crf34-q2 and crf34-q2-k3")
    interval_s, refine = match["interval_s"], match["refine"]
    return replace(
        options,
        key_crf=int(match["key_crf"]),
        quantiser=int(match["quantiser"]),
        keyframe_interval_s=NO_LIMIT_S if interval_s is None else float(interval_s),
        refine=None if refine is None else int(refine),
    )


@cache
def _source_digest() -> str:
    """Eight digits of a hash over all code that takes part in writing and reading streams."""
    parts = {path.name for path in PACKAGE.iterdir()}.difference(_WITHOUT_EFFECT)
    return code_digest((*parts, "bench/codecs/imf.py"))[:8]
