"""Integer predictors and frequency tables, fitted on training tokens."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt

from imfcodec.codec.tokens import ContextTokenCoder, EntropyTables, TokenCoder
from imfcodec.codec.tokens.predictor import SHIFT, WEIGHT_LIMIT, Predictor
from imfcodec.codec.tokens.tables import (
    ESCAPE,
    PRECISION,
    RADIUS,
    SYMBOLS,
    LevelTables,
)

SCALES = tuple(2.0 ** (n / 2 - 1) for n in range(8))
"""Global quantiser scales of levels 0..7; level 2 is the step that training used."""

CONTEXTS = 6
PRIOR = 64.0  # observations that the pooled distribution counts for

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


Send = Callable[[npt.NDArray[np.float32], TokenCoder], npt.NDArray[np.int32]]
"""What a sender makes of a clip's tokens with these steps and this coder: int32 [n, d_m]."""

ROUNDS = 2  # a sender's choices depend on the tables, and these on its choices


def fit_tables(
    step: npt.NDArray[np.float32],
    clips: list[npt.NDArray[np.float32]],
    senders: Sequence[Send] = (),
) -> EntropyTables:
    """Fit every level to quantisation steps [d_m] and to tokens of clips, float32 [n, d_m] each.

    The clips have their native frame rate; a key frame's token comes first. There is one sender
    for each clip, where a sender would do something else than round.
    """
    levels = []
    for scale in SCALES:
        level = _fit_level([np.rint(c / (step * scale)).astype(np.int64) for c in clips])
        for _ in range(ROUNDS if senders else 0):
            sent = [send(step * np.float32(scale), ContextTokenCoder(level)) for send in senders]
            level = _fit_level([tokens.astype(np.int64) for tokens in sent])
        levels.append(level)
    return EntropyTables(np.asarray(step, np.float32), np.asarray(SCALES, np.float32), levels)


def _fit_level(clips: list[Ints]) -> LevelTables:
    first = np.concatenate([c[::5] for c in clips])  # any frame may begin a packet
    size = first.shape[1]
    zero = np.zeros(size, np.int64)
    start_d = _fixed(first.mean(0))
    residuals = first - first.mean(0)
    start = Predictor(zero, zero, _innovations(residuals), start_d)

    keys = np.concatenate([np.broadcast_to(c[:1], c.shape)[2::5] for c in clips])
    later = np.concatenate([c[2::5] for c in clips])
    leap_a, leap_d = np.zeros(size), np.zeros(size)
    for k in range(size):
        leap_a[k], leap_d[k] = _regress(later[:, k], keys[:, k])
    leap = Predictor(
        _fixed(leap_a), zero, _innovations(later - leap_a * keys - leap_d), _fixed(leap_d)
    )
    leap_residuals = _residuals(leap, later, keys, keys)
    pooled_leap = _histogram(leap_residuals.ravel())

    now = np.concatenate([c[2:] for c in clips if len(c) > 2]).astype(np.float64)
    q1 = np.concatenate([c[1:-1] for c in clips if len(c) > 2]).astype(np.float64)
    q2 = np.concatenate([c[:-2] for c in clips if len(c) > 2]).astype(np.float64)
    a, b, d = (np.zeros(size) for _ in range(3))
    for k in range(size):
        a[k], b[k], d[k] = _regress(now[:, k], q1[:, k], q2[:, k])
    c = _innovations(now - a * q1 - b * q2 - d)
    run = Predictor(_fixed(a), _fixed(b), c, _fixed(d))

    start_residuals = np.concatenate([_residuals(start, x[::5], None, None) for x in clips])
    walked = [_walk(run, x) for x in clips if len(x) > 1]
    run_residuals = np.concatenate([r for r, _ in walked])
    activity = np.concatenate([act for _, act in walked])
    quantiles = np.quantile(activity, np.linspace(0, 1, CONTEXTS + 1)[1:-1])
    thresholds = [int(np.ceil(q)) for q in np.maximum.accumulate(quantiles)]
    context = np.searchsorted(thresholds, activity, side="right")
    pooled_start = _histogram(start_residuals.ravel())
    return LevelTables(
        start,
        leap,
        run,
        thresholds,
        np.stack([_table(start_residuals[:, k], pooled_start) for k in range(size)]),
        np.stack([_table(leap_residuals[:, k], pooled_leap) for k in range(size)]),
        np.stack([_context_tables(run_residuals, context == n) for n in range(CONTEXTS)]),
    )


def _context_tables(residuals: Ints, chosen: npt.NDArray[np.bool_]) -> Ints:
    pooled = _histogram(residuals[chosen])
    return np.stack([_table(residuals[chosen[:, k], k], pooled) for k in range(residuals.shape[1])])


def _regress(now: Floats, *earlier: Floats) -> Floats:
    """Least-squares weights of earlier values, lightly pulled to 0, and the constant."""
    design = np.stack([*earlier, np.ones(len(now))], 1).astype(np.float64)
    ridge = np.diag([1e-3 * len(now)] * len(earlier) + [0.0])
    return np.asarray(np.linalg.solve(design.T @ design + ridge, design.T @ now), np.float64)


def _innovations(residuals: Floats) -> Ints:
    """Strictly lower triangular regression of each dimension's residual on the earlier ones.

    The receiver knows the residuals that are left after this very correction, so the
    regression is that of the Cholesky factor: residual = L w with independent w.
    """
    covariance = residuals.T @ residuals / len(residuals)
    covariance += np.eye(len(covariance)) * (1e-2 + 1e-3 * np.trace(covariance) / len(covariance))
    factor = np.linalg.cholesky(covariance)
    return np.tril(_fixed(factor / np.diag(factor)), -1)


def _residuals(predictor: Predictor, now: Ints, q1: Ints | None, q2: Ints | None) -> Ints:
    """Residuals of many tokens with the coder's own arithmetic, int64 [n, d_m]."""
    base = np.broadcast_to(predictor.d + (1 << (SHIFT - 1)), now.shape)
    if q1 is not None and q2 is not None:
        base = base + predictor.a * q1 + predictor.b * q2
    residuals = np.zeros_like(now)
    for k in range(now.shape[1]):
        mixed = residuals[:, :k] @ predictor.c[k, :k]
        residuals[:, k] = now[:, k] - ((base[:, k] + mixed) >> SHIFT)
    return residuals


def _walk(run: Predictor, clip: Ints) -> tuple[Ints, Ints]:
    """Residuals and activities [n - 1, d_m] of a clip coded as one packet."""
    before = np.concatenate([clip[:1], clip[:-2]])
    residuals = _residuals(run, clip[1:], clip[:-1], before)
    size = np.abs(residuals)
    last = np.concatenate([np.zeros((1, size.shape[1]), np.int64), size[:-1]])
    done = np.cumsum(size, 1) - size
    pending = np.cumsum(last[:, ::-1], 1)[:, ::-1]
    return residuals, done + pending


def _fixed(values: Floats) -> Ints:
    limit = WEIGHT_LIMIT << 10
    return np.clip(np.rint(values * (1 << SHIFT)), -limit, limit).astype(np.int64)


def _histogram(residuals: Ints) -> Floats:
    symbols = np.where(np.abs(residuals) <= RADIUS, residuals + RADIUS, ESCAPE)
    counts = np.bincount(symbols, minlength=SYMBOLS) + 0.02
    return counts / counts.sum()


def _table(residuals: Ints, pooled: Floats) -> Ints:
    """Integer frequencies of one table: observations mixed with the pooled distribution."""
    symbols = np.where(np.abs(residuals) <= RADIUS, residuals + RADIUS, ESCAPE)
    counts = np.bincount(symbols, minlength=SYMBOLS) + PRIOR * pooled
    free = (1 << PRECISION) - SYMBOLS
    frequencies = np.floor(counts / counts.sum() * free).astype(np.int64) + 1
    frequencies[np.argmax(frequencies)] += (1 << PRECISION) - frequencies.sum()
    return frequencies
