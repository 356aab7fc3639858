"""Frames share a token where a new one would gain too little."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from imfcodec.sender.token_holding import PRICE, TokenHolder, shared
from imfcodec.training.fit_tables import fit_tables
from tests.tiny import random_walks

TABLES = fit_tables(np.full(16, 0.2, np.float32), random_walks(6, 60, 16))

LONGEST = 10


def curvature(count: int, size: int = 3, scale: float = 1.0) -> np.ndarray:
    root = np.random.default_rng(2).normal(size=(count, size, size)) * np.sqrt(scale)
    return (root @ root.swapaxes(1, 2) + 0.1 * scale * np.eye(size)).astype(np.float32)


def error(tokens: np.ndarray, h: np.ndarray, token: np.ndarray) -> float:
    away = tokens - token
    return float(np.einsum("ni,nij,nj", away, h, away)) / 2


def cost(tokens: np.ndarray, h: np.ndarray, before: np.ndarray, lengths: list[int]) -> float:
    """Of this division, with the best token for each run."""
    ends = np.cumsum(lengths)
    total = error(tokens[: ends[0]], h[: ends[0]], before)
    for begin, end in pairwise(ends):
        part, pull = h[begin:end], np.einsum("nij,nj->i", h[begin:end], tokens[begin:end])
        best = np.linalg.solve(part.sum(0), pull)
        total += error(tokens[begin:end], part, best) + PRICE
    return total


def divisions(count: int, room: int, longest: int) -> list[list[int]]:
    """All ways to divide frames into a first run and further ones."""

    def rest(left: int) -> list[list[int]]:
        if not left:
            return [[]]
        return [[n, *more] for n in range(1, min(longest, left) + 1) for more in rest(left - n)]

    return [[n, *more] for n in range(min(room, count) + 1) for more in rest(count - n)]


@pytest.mark.parametrize(("room", "longest"), [(0, 8), (2, 3), (7, 7), (9, 1)])
def test_no_division_costs_less(room: int, longest: int) -> None:
    rng = np.random.default_rng(5)
    tokens = np.cumsum(rng.normal(0, 0.1, (7, 3)), 0)
    h, before = curvature(7), rng.normal(0, 0.1, 3)
    runs = shared(tokens, h, before, room, longest)
    least = min(cost(tokens, h, before, d) for d in divisions(7, room, longest))
    assert cost(tokens, h, before, list(runs.lengths)) == pytest.approx(least)


def test_a_run_has_the_best_token_and_all_of_the_curvature() -> None:
    tokens = np.random.default_rng(1).normal(0, 0.01, (6, 3)) + 5
    h = curvature(6)
    runs = shared(tokens, h, np.zeros(3), LONGEST, LONGEST)
    assert list(runs.lengths) == [0, 6]
    assert runs.curvature[0] == pytest.approx(h.sum(0), rel=1e-5)
    best = error(tokens, h, runs.tokens[0])
    for _ in range(10):
        assert best < error(tokens, h, runs.tokens[0] + np.random.default_rng(3).normal(0, 0.01, 3))


def test_what_moves_is_not_held() -> None:
    tokens = np.arange(8.0)[:, None] * np.ones(3)
    runs = shared(tokens, curvature(8), tokens[0] - 1, LONGEST, LONGEST)
    assert list(runs.lengths) == [0, *[1] * 8]
    assert runs.tokens == pytest.approx(tokens)


def test_the_token_before_is_held_no_longer_than_it_may_be() -> None:
    still = np.ones((9, 3))
    lengths = shared(still, curvature(9), still[0], 4, 4).lengths
    assert (max(lengths), sum(lengths), len(lengths)) == (4, 9, 3)
    assert list(shared(still, curvature(9), still[0], 20, 20).lengths) == [9]


def test_nothing_is_held_where_nothing_may_be() -> None:
    still = np.ones((4, 3))
    assert list(shared(still, curvature(4), still[0], 0, 1).lengths) == [0, 1, 1, 1, 1]


@pytest.mark.parametrize("parts", [[30], [1] * 30, [7, 23]])
def test_packets_are_parts_of_one_sequence(parts: list[int]) -> None:
    """Steps of three frames each: however the frames come, three share a token."""
    step = TABLES.quantiser(2).step
    tokens = (np.arange(30) // 3)[:, None] * 4 * step
    holder = TokenHolder(step, np.zeros(16, np.int32), 8)
    coder = TABLES.coder(2, holds=True)
    coder.start_after(np.zeros(16, np.int32))
    h = np.tile(np.eye(16, dtype=np.float32), (30, 1, 1))
    ends = np.cumsum(parts)
    chosen = np.concatenate(
        [
            holder.choose(coder, tokens[end - n : end], h[:n])
            for n, end in zip(parts, ends, strict=True)
        ]
    )
    assert np.abs(chosen * step - tokens).max() < step.max()
    changes = (np.diff(chosen, axis=0) != 0).any(1)
    assert list(np.flatnonzero(changes) + 1) == list(range(3, 30, 3))
