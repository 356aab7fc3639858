"""The integer tables that belong to a set of weights and, with it, to the format."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from imfcodec.codec.tokens.predictor import WEIGHT_LIMIT, Predictor
from imfcodec.codec.tokens.quantiser import Quantiser
from imfcodec.codec.tokens.tables import PRECISION, SYMBOLS, LevelTables
from imfcodec.codec.tokens.token_coder import ContextTokenCoder
from imfcodec.errors import OptionError, WeightsCorrupt

_VECTORS = ("start_d", "leap_a", "leap_d", "run_a", "run_b", "run_d")
_MATRICES = ("start_c", "leap_c", "run_c")


@dataclass(frozen=True)
class EntropyTables:
    """Everything that turns a model's tokens into bytes: an `EntropyModel`.

    Attributes:
        step: Learned quantisation steps, float32 [d_m].
        scales: Global scales, float32 [levels]; a quantiser step is an index of it.
        levels: Tables of each scale.
    """

    id: ClassVar[str] = "contexts"

    step: npt.NDArray[np.float32]
    scales: npt.NDArray[np.float32]
    levels: list[LevelTables]

    @property
    def token_size(self) -> int:
        """d_m."""
        return len(self.step)

    def level(self, index: int) -> LevelTables:
        """Tables of a quantiser step.

        Raises:
            OptionError: These weights have no such level.
        """
        if not 0 <= index < len(self.levels):
            raise OptionError(
                f"these weights have quantiser levels 0 to {len(self.levels) - 1}, not {index}"
            )
        return self.levels[index]

    def quantiser(self, index: int) -> Quantiser:
        """The quantiser of a quantiser step (see `level`)."""
        self.level(index)
        return Quantiser(self.step * self.scales[index])

    def coder(self, index: int, *, holds: bool = False) -> ContextTokenCoder:
        """A new token coder for a quantiser step (see `level`) that may hold tokens or not."""
        return ContextTokenCoder(self.level(index), holds=holds)

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, npt.NDArray[Any]]) -> EntropyTables:
        """Read the arrays that `to_arrays` wrote; check every rule that coding depends on.

        Raises:
            WeightsCorrupt: A table is missing, has a wrong shape or breaks a rule.
        """
        try:
            step = np.asarray(arrays["step"], np.float32)
            scales = np.asarray(arrays["scales"], np.float32)
            integer = {k: np.asarray(arrays[k], np.int64) for k in (*_VECTORS, *_MATRICES)}
            thresholds = np.asarray(arrays["thresholds"], np.int64)
            start = np.asarray(arrays["start_frequencies"], np.int64)
            leap = np.asarray(arrays["leap_frequencies"], np.int64)
            run = np.asarray(arrays["run_frequencies"], np.int64)
        except KeyError as error:
            raise WeightsCorrupt(f"entropy table {error} is missing") from error
        size, count, contexts = len(step), len(scales), thresholds.shape[-1] + 1
        shapes_hold = (
            start.shape == leap.shape == (count, size, SYMBOLS)
            and run.shape == (count, contexts, size, SYMBOLS)
            and thresholds.shape == (count, contexts - 1)
            and all(integer[k].shape == (count, size) for k in _VECTORS)
            and all(integer[k].shape == (count, size, size) for k in _MATRICES)
        )
        if not shapes_hold:
            raise WeightsCorrupt("an entropy table has the wrong shape")
        steps = np.concatenate([step, scales])
        if not (np.isfinite(steps).all() and (steps > 0).all()):
            raise WeightsCorrupt("a quantisation step is not positive")
        for table in (start, leap, run):
            if table.min() < 1 or (table.sum(-1) != 1 << PRECISION).any():
                raise WeightsCorrupt("a frequency table does not sum to 2^24 with all entries >= 1")
        if any(np.abs(v).max(initial=0) > WEIGHT_LIMIT << 10 for v in integer.values()):
            raise WeightsCorrupt("a prediction weight is out of range")
        if any(np.triu(m).any() for k in _MATRICES for m in integer[k]):
            raise WeightsCorrupt("a prediction uses a dimension that is not decoded yet")
        zero = np.zeros(size, np.int64)
        levels = [
            LevelTables(
                Predictor(zero, zero, integer["start_c"][i], integer["start_d"][i]),
                Predictor(integer["leap_a"][i], zero, integer["leap_c"][i], integer["leap_d"][i]),
                Predictor(*(integer[f"run_{k}"][i] for k in "abcd")),
                [int(t) for t in thresholds[i]],
                start[i],
                leap[i],
                run[i],
            )
            for i in range(count)
        ]
        return cls(step, scales, levels)

    def to_arrays(self) -> dict[str, npt.NDArray[Any]]:
        """Plain arrays for storing: float32 steps and scales, int32 everything else."""

        def stack(values: list[Any]) -> npt.NDArray[np.int32]:
            return np.stack([np.asarray(v) for v in values]).astype(np.int32)

        levels = self.levels
        return {
            "step": self.step,
            "scales": self.scales,
            "start_c": stack([v.start.c for v in levels]),
            "start_d": stack([v.start.d for v in levels]),
            "leap_a": stack([v.leap.a for v in levels]),
            "leap_c": stack([v.leap.c for v in levels]),
            "leap_d": stack([v.leap.d for v in levels]),
            "run_a": stack([v.run.a for v in levels]),
            "run_b": stack([v.run.b for v in levels]),
            "run_c": stack([v.run.c for v in levels]),
            "run_d": stack([v.run.d for v in levels]),
            "thresholds": stack([v.thresholds for v in levels]),
            "start_frequencies": stack([v.start_frequencies for v in levels]),
            "leap_frequencies": stack([v.leap_frequencies for v in levels]),
            "run_frequencies": stack([v.run_frequencies for v in levels]),
        }
