"""Integers chosen by what they cost and what they lose."""

from __future__ import annotations

import numpy as np
import pytest

from imfcodec.codec.tokens import ContextTokenCoder
from imfcodec.codec.tokens.quantiser import TOKEN_LIMIT
from imfcodec.sender import token_choice
from imfcodec.sender.token_choice import TokenChooser
from imfcodec.training.fit_tables import fit_tables
from tests.tiny import random_walks

SIZE = 16
TABLES = fit_tables(np.full(SIZE, 0.2, np.float32), random_walks(6, 60, SIZE))
QUANTISER = TABLES.quantiser(4)
WALK = random_walks(1, 100, SIZE, seed=9)[0]


def coder() -> ContextTokenCoder:
    fresh = ContextTokenCoder(TABLES.level(4))
    fresh.reset(np.zeros(SIZE, np.int32))
    return fresh


def curvature(seed: int = 5) -> np.ndarray:
    """What networks have: few directions that matter much, many that matter little."""
    rng = np.random.default_rng(seed)
    basis, _ = np.linalg.qr(rng.normal(size=(SIZE, SIZE)))
    return np.tile(basis * np.geomspace(0.02, 4, SIZE) @ basis.T, (len(WALK), 1, 1))


def loss(tokens: np.ndarray, h: np.ndarray) -> float:
    away = QUANTISER.dequantise(tokens) - WALK
    return float(np.einsum("ni,nij,nj->n", away, h, away).mean() / 2)


@pytest.fixture
def free(monkeypatch: pytest.MonkeyPatch) -> None:
    """Bits cost nothing, and no error is kept."""
    monkeypatch.setattr(token_choice, "LAMBDA", 0.0)
    monkeypatch.setattr(token_choice, "INERTIA", 0.0)


@pytest.mark.usefixtures("free")
def test_independent_values_are_rounded() -> None:
    h = np.tile(np.eye(SIZE), (len(WALK), 1, 1))
    chosen = TokenChooser(QUANTISER.step).choose(coder(), WALK, h)
    assert np.array_equal(chosen, QUANTISER.quantise(WALK))


@pytest.mark.usefixtures("free")
def test_values_make_good_for_each_other() -> None:
    h = curvature()
    chosen = TokenChooser(QUANTISER.step).choose(coder(), WALK, h)
    assert loss(chosen, h) < 0.7 * loss(QUANTISER.quantise(WALK), h)


@pytest.mark.parametrize("value", [0.001, 0.01])
def test_error_and_bits_together_are_less_than_by_rounding(
    monkeypatch: pytest.MonkeyPatch, value: float
) -> None:
    h = curvature()
    monkeypatch.setattr(token_choice, "INERTIA", 0.0)
    monkeypatch.setattr(token_choice, "LAMBDA", value)

    def price(tokens: np.ndarray) -> float:
        return loss(tokens, h) + value * 8 * len(coder().encode(tokens)) / len(tokens)

    chosen = TokenChooser(QUANTISER.step).choose(coder(), WALK, h)
    assert price(chosen) < 0.9 * price(QUANTISER.quantise(WALK))


def test_dearer_bits_are_fewer(monkeypatch: pytest.MonkeyPatch) -> None:
    sizes = []
    for value in (0.0, 0.002, 0.02):
        monkeypatch.setattr(token_choice, "LAMBDA", value)
        chosen = TokenChooser(QUANTISER.step).choose(coder(), WALK, curvature())
        sizes.append(len(coder().encode(chosen)))
    assert sizes[0] > sizes[1] > sizes[2]


def test_a_trembling_value_stays() -> None:
    """Halfway between two integers rounding flips from frame to frame."""
    rng = np.random.default_rng(2)
    trembling = (0.5 + 0.1 * rng.normal(size=(60, SIZE))) * QUANTISER.step
    h = np.tile(0.4 * np.eye(SIZE), (60, 1, 1))
    chosen = TokenChooser(QUANTISER.step).choose(coder(), trembling, h)
    flips = (np.diff(chosen, axis=0) != 0).mean()
    assert flips < 0.1 < 0.4 < (np.diff(QUANTISER.quantise(trembling), axis=0) != 0).mean()


def test_packets_join_without_a_seam() -> None:
    """One chooser and a chained coder: cut anywhere, the same integers."""
    h = curvature()
    whole = TokenChooser(QUANTISER.step).choose(coder(), WALK, h)
    chooser, chain, parts = TokenChooser(QUANTISER.step), coder(), []
    for cut in (slice(0, 1), slice(1, 40), slice(40, None)):
        parts.append(chooser.choose(chain, WALK[cut], h[cut]))
        chain.encode(parts[-1])
    assert np.array_equal(np.concatenate(parts), whole)


def test_values_out_of_range_are_brought_back() -> None:
    far = np.full((2, SIZE), 1e9)
    h = np.tile(np.eye(SIZE), (2, 1, 1))
    chosen = TokenChooser(QUANTISER.step).choose(coder(), far, h)
    assert (chosen <= TOKEN_LIMIT).all()
    assert np.array_equal(coder().decode(coder().encode(chosen), 2), chosen)
