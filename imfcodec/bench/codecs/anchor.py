"""What all anchors, the codecs of others, have in common."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field

from imfcodec.bench.codecs.sampling import Sampling


@dataclass(frozen=True)
class Anchor(ABC):
    """A standard codec as a curve of the benchmark.

    Attributes:
        threads: That the encoder may use; the bytes may depend on it.
        sampling: Size and frame rate that are coded.
    """

    threads: int = 1
    sampling: Sampling = field(default_factory=Sampling)

    @property
    @abstractmethod
    def family(self) -> str:
        """The encoder and how it is driven, for people; sizes and frame rates compete in it."""

    @property
    @abstractmethod
    def stem(self) -> str:
        """The same in short: `svtav1-ra-p2`."""

    @property
    @abstractmethod
    def settings(self) -> tuple[str, ...]:
        """Quality factors, from low to high rate."""

    @property
    def name(self) -> str:
        """Short, unique: `svtav1-ra-p2-192px-half`."""
        return self.stem + self.sampling.suffix

    @property
    def label(self) -> str:
        """For people."""
        return self.family + self.sampling.label

    @property
    def role(self) -> str:
        """What ours is compared with."""
        return "anchor"
