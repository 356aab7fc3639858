"""What is measured: options of the scores, apart from what computes them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from imfcodec.bench.results import METRICS
from imfcodec.errors import OptionError


@dataclass(frozen=True)
class ScoreOptions:
    """Options of the measurement; a name that is no metric's is an `OptionError`.

    Attributes:
        metrics: Metrics to measure. Default: all that can be measured.
        recogniser: Safetensors file of the face recogniser MobileFaceNet, for identity.
        lines: Reduce source and decoded pictures to a short side of N pixels before measuring, 64
            or more. Default: the display size.
    """

    metrics: tuple[str, ...] | None = None
    recogniser: Path | None = None
    lines: int | None = None

    def __post_init__(self) -> None:
        known = [metric.name for metric in METRICS]
        unknown = [name for name in self.metrics or () if name not in known]
        if unknown:
            raise OptionError(f"no metric {', '.join(unknown)}; there are {', '.join(known)}")

    @property
    def wanted(self) -> tuple[str, ...]:
        """Names in the order of `results.METRICS`."""
        return tuple(m.name for m in METRICS if self.metrics is None or m.name in self.metrics)
