"""Predictors and frequency tables of one quantiser step."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import constriction
import numpy as np
import numpy.typing as npt

from imfcodec.codec.tokens.predictor import Predictor

PRECISION = 24
"""Frequencies of a table sum to 2^PRECISION."""

RADIUS = 24
"""Residuals -RADIUS .. RADIUS have symbols 0 .. 2 RADIUS; one more symbol is the escape."""

ESCAPE = 2 * RADIUS + 1
SYMBOLS = 2 * RADIUS + 2


def exact_model(frequencies: npt.ArrayLike) -> Any:
    """A range-coder model whose cumulative table is exactly that of integer frequencies.

    constriction gives every symbol one unit and divides the remaining 2^24 - n in proportion to
    the weights. The weights f - 1 have exactly that sum, so each share is exact in float64.

    Args:
        frequencies: [n] integers >= 1 that sum to 2^24.
    """
    weights = np.asarray(frequencies, dtype=np.int64) - 1
    return constriction.stream.model.Categorical(weights.astype(np.float64), perfect=False)


class SymbolModel(NamedTuple):
    """One frequency table, with the cost of its symbols.

    Attributes:
        coder: See `exact_model`.
        bits: Cost of each symbol in bits; only a sender that chooses tokens needs it.
    """

    coder: Any
    bits: list[float]

    def cost(self, residual: int) -> float:
        """Cost of a residual in bits."""
        if abs(residual) <= RADIUS:
            return self.bits[residual + RADIUS]
        return self.bits[ESCAPE] + 2 * (abs(residual) - RADIUS).bit_length()


def _symbol_model(frequencies: npt.NDArray[np.int64]) -> SymbolModel:
    return SymbolModel(exact_model(frequencies), (PRECISION - np.log2(frequencies)).tolist())


@dataclass(frozen=True)
class LevelTables:
    """Predictors and frequency tables for one global quantiser scale.

    Attributes:
        start: Predictor of a key frame's token from constants.
        leap: Predictor of a packet's first token from the token of a key frame.
        run: Predictor of the other tokens of a packet.
        thresholds: Ascending activities at which the next context of ``run`` begins.
        start_frequencies, leap_frequencies: int64 [d_m, SYMBOLS].
        run_frequencies: int64 [contexts, d_m, SYMBOLS].
    """

    start: Predictor
    leap: Predictor
    run: Predictor
    thresholds: list[int]
    start_frequencies: npt.NDArray[np.int64]
    leap_frequencies: npt.NDArray[np.int64]
    run_frequencies: npt.NDArray[np.int64]

    @cached_property
    def start_models(self) -> list[SymbolModel]:
        """One per dimension."""
        return [_symbol_model(f) for f in self.start_frequencies]

    @cached_property
    def leap_models(self) -> list[SymbolModel]:
        """One per dimension."""
        return [_symbol_model(f) for f in self.leap_frequencies]

    @cached_property
    def run_models(self) -> list[list[SymbolModel]]:
        """One per context and dimension."""
        return [[_symbol_model(f) for f in context] for context in self.run_frequencies]
