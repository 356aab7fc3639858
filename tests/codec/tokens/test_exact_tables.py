"""C1 rests on this: constriction's model is exactly our integer cumulative table."""

from __future__ import annotations

import constriction
import numpy as np
import pytest

from imfcodec.codec.tokens.tables import PRECISION, exact_model


def random_table(rng: np.random.Generator, symbols: int) -> np.ndarray:
    """Integer frequencies >= 1 with sum 2^24, many of them tiny."""
    weights = rng.exponential(size=symbols) ** rng.uniform(1, 6)
    table = np.floor(weights / weights.sum() * ((1 << PRECISION) - symbols)).astype(np.int64) + 1
    table[rng.integers(symbols)] += (1 << PRECISION) - table.sum()
    return table


def symbol_at(model, quantile: int) -> int:
    """Which symbol owns a quantile: an ANS decoder reads it from the state's lowest bits."""
    state = 1 << 40 | quantile
    words = np.array([state & 0xFFFFFFFF, state >> 32], np.uint32)
    return int(constriction.stream.stack.AnsCoder(words).decode(model))


@pytest.mark.parametrize("seed", range(40))
def test_every_boundary_is_where_the_integers_say(seed: int) -> None:
    rng = np.random.default_rng(seed)
    table = random_table(rng, int(rng.integers(2, 80)))
    model = exact_model(table)
    edges = np.concatenate([[0], np.cumsum(table)])
    for symbol in range(len(table)):
        assert symbol_at(model, int(edges[symbol])) == symbol
        assert symbol_at(model, int(edges[symbol + 1]) - 1) == symbol
