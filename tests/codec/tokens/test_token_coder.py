"""Integers -> bytes -> the same integers, and nothing else from bytes."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from imfcodec.codec.tokens import ContextTokenCoder, EntropyTables
from imfcodec.codec.tokens.quantiser import TOKEN_LIMIT
from imfcodec.codec.tokens.tables import ESCAPE, PRECISION, RADIUS
from imfcodec.errors import CorruptStream, OptionError, WeightsCorrupt
from imfcodec.training import fit_tables as fitting
from imfcodec.training.fit_tables import fit_tables
from tests.tiny import random_walks

SIZE = 16
TABLES = fit_tables(np.full(SIZE, 0.2, np.float32), random_walks(6, 60, SIZE))
WALK = random_walks(1, 100, SIZE, seed=9)[0]


def coder(level: int = 2) -> ContextTokenCoder:
    return ContextTokenCoder(TABLES.level(level))


@pytest.mark.parametrize("level", range(8))
def test_round_trip_at_every_level(level: int) -> None:
    tokens = TABLES.quantiser(level).quantise(WALK)
    data = coder(level).encode(tokens)
    assert np.array_equal(coder(level).decode(data, len(tokens)), tokens)


def ideal_bits(tokens: np.ndarray) -> float:
    """Ideal code length of a key token and one packet, at level 2."""
    part, q = TABLES.level(2), tokens.astype(np.int64)
    key, piece = q[:1], q[1:]
    start = fitting._residuals(part.start, key, None, None)
    leap = fitting._residuals(part.leap, piece[:1], key, key)
    run, activity = fitting._walk(part.run, piece)
    context = np.searchsorted(part.thresholds, activity, side="right")
    return (
        cost(part.start_frequencies[None], start)
        + cost(part.leap_frequencies[None], leap)
        + cost(part.run_frequencies, run, context)
    )


def cost(tables: np.ndarray, residuals: np.ndarray, context: np.ndarray | int = 0) -> float:
    symbols = np.where(np.abs(residuals) <= RADIUS, residuals + RADIUS, ESCAPE)
    dims = np.broadcast_to(np.arange(SIZE), residuals.shape)
    escapes = (symbols == ESCAPE).sum() * 4.0
    return float((PRECISION - np.log2(tables[context, dims, symbols])).sum() + escapes)


def test_coded_size_is_near_the_ideal() -> None:
    tokens = TABLES.quantiser(2).quantise(WALK)
    key = coder().encode(tokens[:1])
    rest = coder()
    rest.reset(tokens[0])
    data = key + rest.encode(tokens[1:])
    ideal = ideal_bits(tokens) / 8
    assert ideal - 1 <= len(data) <= 1.01 * ideal + 6


def holding() -> ContextTokenCoder:
    return ContextTokenCoder(TABLES.level(2), holds=True)


def test_held_tokens_round_trip_over_packets() -> None:
    tokens = TABLES.quantiser(2).quantise(WALK)
    tokens = tokens[np.random.default_rng(4).integers(0, 3, 100).cumsum() // 2]
    assert 30 < (tokens[1:] == tokens[:-1]).all(1).sum() < 70
    sender, receiver = holding(), holding()
    for side in (sender, receiver):
        side.start_after(tokens[0])
    for part in np.split(tokens, [1, 9, 40, 41]):
        assert np.array_equal(receiver.decode(sender.encode(part), len(part)), part)


def test_a_held_token_takes_a_fraction_of_a_bit() -> None:
    token = TABLES.quantiser(2).quantise(WALK[:1])
    sender = holding()
    sender.start_after(token[0])
    assert len(sender.encode(np.repeat(token, 75, 0))) <= 1


def test_tokens_that_are_never_held_cost_little_more() -> None:
    tokens = TABLES.quantiser(2).quantise(WALK)
    assert len(holding().encode(tokens)) <= len(coder().encode(tokens)) + 2


def test_a_key_token_makes_the_first_one_cheaper() -> None:
    tokens = TABLES.quantiser(2).quantise(WALK)
    leaning = coder()
    leaning.reset(tokens[0])
    data = leaning.encode(tokens[3:4])
    assert len(data) < len(coder().encode(tokens[3:4]))
    receiver = coder()
    receiver.reset(tokens[0])
    assert np.array_equal(receiver.decode(data, 1), tokens[3:4])


def test_coarser_levels_take_fewer_bytes() -> None:
    sizes = [len(coder(n).encode(TABLES.quantiser(n).quantise(WALK))) for n in range(8)]
    assert sizes == sorted(sizes, reverse=True)


def test_chained_packets_continue_and_cost_less() -> None:
    tokens = TABLES.quantiser(2).quantise(WALK[:30])
    sender, receiver = coder(), coder()
    chained = [sender.encode(tokens[n : n + 1]) for n in range(len(tokens))]
    back = [receiver.decode(data, 1) for data in chained]
    assert np.array_equal(np.concatenate(back), tokens)
    alone = [coder().encode(tokens[n : n + 1]) for n in range(len(tokens))]
    assert sum(map(len, chained)) < sum(map(len, alone))


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.lists(
            st.one_of(st.integers(-30, 30), st.integers(-TOKEN_LIMIT, TOKEN_LIMIT)),
            min_size=SIZE,
            max_size=SIZE,
        ),
        min_size=1,
        max_size=4,
    )
)
def test_any_integers_round_trip(rows: list[list[int]]) -> None:
    tokens = np.array(rows, np.int32)
    assert np.array_equal(coder().decode(coder().encode(tokens), len(tokens)), tokens)


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=40), st.integers(1, 6))
def test_arbitrary_bytes_give_tokens_or_our_error(data: bytes, count: int) -> None:
    try:
        tokens = coder().decode(data, count)
    except CorruptStream:
        return
    assert tokens.shape == (count, SIZE)
    assert np.abs(tokens).max() <= TOKEN_LIMIT


def test_golden_integers_give_exact_bytes() -> None:
    """Pinned: a change here breaks every stream in the world (C4)."""
    frequencies = np.full(50, (1 << 24) // 50, np.int64)
    frequencies[24] += (1 << 24) - frequencies.sum()
    arrays = {
        "step": np.full(4, 0.5, np.float32),
        "scales": np.ones(1, np.float32),
        "start_d": np.array([[0, 1024, -2048, 700]]),
        "start_c": np.tril(np.full((1, 4, 4), 300), -1),
        "leap_a": np.full((1, 4), 900),
        "leap_c": np.tril(np.full((1, 4, 4), 100), -1),
        "leap_d": np.full((1, 4), -50),
        "run_a": np.full((1, 4), 1500),
        "run_b": np.full((1, 4), -520),
        "run_c": np.tril(np.full((1, 4, 4), -200), -1),
        "run_d": np.full((1, 4), 17),
        "thresholds": np.array([[3, 9]]),
        "start_frequencies": np.broadcast_to(frequencies, (1, 4, 50)),
        "leap_frequencies": np.broadcast_to(frequencies, (1, 4, 50)),
        "run_frequencies": np.broadcast_to(frequencies, (1, 3, 4, 50)),
    }
    tables = EntropyTables.from_arrays(arrays)
    tokens = np.array([[1, -2, 3, 0], [2, -2, 5, 1], [400, -2, 4, 1], [3, -9000, 3, 1]], np.int32)
    data = ContextTokenCoder(tables.level(0)).encode(tokens)
    assert np.array_equal(ContextTokenCoder(tables.level(0)).decode(data, 4), tokens)
    assert data.hex() == GOLDEN
    leaning = ContextTokenCoder(tables.level(0))
    leaning.reset(tokens[0])
    assert leaning.encode(tokens[1:2]).hex() == GOLDEN_LEAP


GOLDEN_LEAP = "828312"
GOLDEN = "82367f4bdfa9543e94c33708aaea85dd82a737738302ada53c1bd94e2ab245"


def test_arrays_round_trip() -> None:
    again = EntropyTables.from_arrays(TABLES.to_arrays())
    for name, array in TABLES.to_arrays().items():
        assert np.array_equal(again.to_arrays()[name], array), name


@pytest.mark.parametrize(
    ("name", "spoil"),
    [
        ("run_frequencies", lambda a: a + 1),
        ("run_frequencies", lambda a: a * 0),
        ("run_c", lambda a: a + np.eye(SIZE, dtype=a.dtype)),
        ("run_a", lambda a: a[:, :3]),
        ("run_d", lambda a: a + (1 << 28)),
        ("step", lambda a: a * 0),
        ("step", lambda a: a * np.nan),
    ],
)
def test_broken_tables_are_refused(name: str, spoil) -> None:
    arrays = TABLES.to_arrays()
    arrays[name] = spoil(arrays[name])
    with pytest.raises(WeightsCorrupt):
        EntropyTables.from_arrays(arrays)


def test_missing_table_and_unknown_level() -> None:
    arrays = TABLES.to_arrays()
    del arrays["thresholds"]
    with pytest.raises(WeightsCorrupt, match="thresholds"):
        EntropyTables.from_arrays(arrays)
    with pytest.raises(OptionError, match="levels 0 to 7"):
        TABLES.level(8)


def test_quantiser_is_the_nearest_step() -> None:
    quantiser = TABLES.quantiser(2)
    tokens = quantiser.quantise(WALK)
    assert np.abs(quantiser.dequantise(tokens) - WALK).max() <= quantiser.step.max() / 2 + 1e-6
