"""Frames that share a token: the receiver shows a picture again and rebuilds nothing.

    t, H of a packet ─ least  error of shared tokens + PRICE per token ─► runs ─► mean t, sum of H

Where a head hardly moves, new tokens follow the noise of the source. They cost bits, and the
picture trembles. In a run of frames, one token t costs sum_n (t - t_n)' H_n (t - t_n) / 2. The best
one is the mean of the t_n, weighted by the H_n. The first frames may also share the last token that
was sent before them.
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt

from imfcodec.arrays import Tokens
from imfcodec.codec.tokens import TokenCoder
from imfcodec.sender.token_choice import TokenChooser

PRICE: Final = 0.02
"""What a new token must gain, in the unit of the error that H describes."""

Floats = npt.NDArray[np.floating[Any]]
Integers = npt.NDArray[np.integer[Any]]


class TokenHolder:
    """Chooses the integers of successive frames, some of which share a token."""

    def __init__(self, step: Floats, key: Tokens, longest: int) -> None:
        """Prepare for the frames after a key frame.

        Args:
            step: Quantiser steps [d_m].
            key: Token of the key frame, int32 [d_m].
            longest: Largest number of frames that share a token; 1 holds none.
        """
        self._step, self._longest = step, longest
        self._chooser = TokenChooser(step)
        self._shown, self._shown_for = key, 1

    def choose(self, coder: TokenCoder, tokens: Floats, curvature: Floats) -> Tokens:
        """Integers of the next frames: int32 [N, d_m]; see `TokenChooser.choose`."""
        room = max(0, self._longest - self._shown_for)
        before = self._shown * self._step
        runs = shared(tokens, curvature, before, room, self._longest)
        new = self._chooser.choose(coder, runs.tokens, runs.curvature)
        chosen = np.repeat(np.concatenate([self._shown[None], new]), runs.lengths, 0)
        self._shown_for = int(runs.lengths[-1]) + (0 if len(new) else self._shown_for)
        self._shown = chosen[-1]
        return chosen


class Runs(NamedTuple):
    """Successive frames by the token that they share.

    Attributes:
        lengths: Frames of each run, int [1 + R]; the first run, perhaps of no frames, shares the
            token before.
        tokens: t of the further runs [R, d_m].
        curvature: H of the further runs [R, d_m, d_m].
    """

    lengths: Integers
    tokens: Floats
    curvature: Floats


def shared(tokens: Floats, curvature: Floats, before: Floats, room: int, longest: int) -> Runs:
    """Divide successive frames into the runs of least cost, by dynamic programming.

    Args:
        tokens: t [N, d_m].
        curvature: H [N, d_m, d_m], see `Refined`.
        before: The token that is shown before the first frame [d_m].
        room: How many frames may share it.
        longest: Largest length of a run.
    """
    t = tokens.astype(np.float64)
    pull = _times(curvature, t)
    sums = [_running(curvature), _running(pull), _running((t * pull).sum(1))]

    def fitted(begins: Integers, ends: Integers) -> tuple[Floats, Floats, Floats]:
        """The shared token of runs, its H, and its error."""
        h, b, energy = (s[ends] - s[begins] for s in sums)
        best = np.linalg.solve(h, b[..., None])[..., 0]
        return best, h, (energy - (best * b).sum(1)) / 2

    away = t[:room] - before
    held = _running((_times(curvature[:room], away) * away).sum(1) / 2)
    cost = np.full(len(t) + 1, np.inf)
    cost[: len(held)] = held
    origin = np.arange(len(t) + 1)  # where the last run begins; the first run has no such place
    for end in range(1, len(t) + 1):
        begins = np.arange(max(0, end - longest), end)
        total = cost[begins] + fitted(begins, np.full_like(begins, end))[2] + PRICE
        if total.min() < cost[end]:
            cost[end], origin[end] = total.min(), begins[total.argmin()]
    ends = [len(t)]
    while origin[ends[0]] < ends[0]:
        ends.insert(0, int(origin[ends[0]]))
    places = np.array(ends)
    return Runs(np.diff(places, prepend=0), *fitted(places[:-1], places[1:])[:2])


def _running(values: Floats) -> Floats:
    """Sums of the first 0, 1, 2, ... values [N + 1, ...]."""
    return np.concatenate([np.zeros((1, *values.shape[1:])), np.cumsum(values, 0, np.float64)])


def _times(matrices: Floats, vectors: Floats) -> Floats:
    return (matrices.astype(np.float64) @ vectors[..., None])[..., 0]
