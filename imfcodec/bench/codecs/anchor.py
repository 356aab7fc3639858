"""What all anchors, the codecs of others, have in common."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from av import VideoFrame

from imfcodec.arrays import Picture
from imfcodec.bench.clip import Clip
from imfcodec.bench.codecs.anchor_colour import rgb_to_yuv
from imfcodec.bench.codecs.codec import Encoded
from imfcodec.bench.codecs.sampling import AS_IT_IS, Sampling

QUALITY = "{quality}"
"""In an option's value: the number of the setting."""


@dataclass(frozen=True)
class Anchor(ABC):
    """One of libav's video encoders with fixed options as a curve of the benchmark.

    Attributes:
        stem: Name at full size and rate: `svtav1-ra-p2`.
        family: The encoder and how it is driven, for people; sizes and frame rates compete in it.
        settings: Quality factors, from low to high rate: `crf51`, `qp44`.
        encoder, muxer: The encoder and the elementary stream's format, as libav calls them.
        options: Name and value of the encoder's options; `QUALITY` in a value is replaced.
        threads: That the encoder may use; the bytes may depend on it.
        sampling: Size and frame rate that are coded.
    """

    stem: str
    family: str
    settings: tuple[str, ...]
    encoder: str
    muxer: str
    options: tuple[tuple[str, str], ...]
    threads: int = 1
    sampling: Sampling = AS_IT_IS

    role: ClassVar[str] = "anchor"

    @property
    def name(self) -> str:
        """Short, unique: `svtav1-ra-p2-192px-half`."""
        return self.stem + self.sampling.suffix

    @property
    def label(self) -> str:
        """For people."""
        return self.family + self.sampling.label

    def options_at(self, setting: str) -> dict[str, str]:
        """Options of the encoder at one setting; "*" stands for any."""
        quality = setting.removeprefix("crf").removeprefix("qp")
        return {name: value.replace(QUALITY, quality) for name, value in self.options}

    def decode(self, encoded: Encoded, clip: Clip) -> Iterator[Picture]:
        """The decoded frames at the clip's size.

        Raises:
            InputUnreadable: The file does not decode.
            OptionError: The decoder is not installed.
        """
        yield from self.sampling.restore(self._pictures(encoded.path, clip), clip)

    @abstractmethod
    def _pictures(self, path: Path, clip: Clip) -> Iterator[Picture]:
        """The decoded pictures as they were coded."""

    def _frames(self, clip: Clip) -> Iterator[VideoFrame]:
        """The pictures to code, numbered from 0 at the rate of `sampling`."""
        yuv = rgb_to_yuv(*self.sampling.size(clip))
        tick = 1 / self.sampling.rate(clip)
        for number, picture in enumerate(self.sampling.reduce(clip)):
            yield yuv.convert(picture, number, tick)
