"""Tokens <-> the bytes of one token packet."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable
from typing import Any

import constriction
import numpy as np
import numpy.typing as npt

from imfcodec.codec.tokens.entropy_model import Port
from imfcodec.codec.tokens.held_symbol import HeldSymbol
from imfcodec.codec.tokens.predictor import SHIFT, Integers
from imfcodec.codec.tokens.quantiser import TOKEN_LIMIT
from imfcodec.codec.tokens.tables import ESCAPE, RADIUS, LevelTables, SymbolModel
from imfcodec.errors import CorruptStream

_BIT = constriction.stream.model.Uniform(2)
_ESCAPE_BITS = 16  # an escaped residual's excess has at most this many binary digits
_WORD = 4


class ContextTokenCoder:
    """A `TokenCoder`: residuals of an integer prediction under adaptive contexts.

    The token of a key frame is predicted from constants, or from that of its origin. The first
    token of a packet is predicted from the key frame's token, each further one from the two
    tokens before it. The residual of dimension k is coded with the table of (context, k). The
    context is the activity so far: the sum of magnitudes of this token's residuals before k and of
    the previous token's from k on. A residual beyond RADIUS is coded as an escape, a sign, and its
    excess in Elias gamma code.

    If tokens may be held, a `HeldSymbol` precedes each token but the first of a packet that starts
    afresh. A held token is the one before again, and it changes nothing else of the state.

    Sender and receiver use the same state machine, `_walk`; they differ only in the `Port`, which
    handles one symbol.
    """

    def __init__(self, tables: LevelTables, *, holds: bool = False) -> None:
        self._tables = tables
        self._holds = holds
        self._size = len(tables.start.d)
        self.reset()

    def reset(self, key: npt.NDArray[np.int32] | None = None) -> None:
        """See `TokenCoder.reset`."""
        self._key = None if key is None else key.astype(np.int64)
        self._history: list[Integers] = []
        self._residuals = [0] * self._size
        self._held = HeldSymbol()

    def start_after(self, key: npt.NDArray[np.int32]) -> None:
        """See `TokenCoder.start_after`."""
        token = key.astype(np.int64)
        self._history = [token, token]
        self._residuals = [0] * self._size
        self._held = HeldSymbol()

    def encode(self, tokens: npt.NDArray[np.int32]) -> bytes:
        """int32 [n, d_m] -> payload of one packet, cut as short as possible."""
        saved = self._state()
        coder = constriction.stream.queue.RangeEncoder()
        for token in tokens:
            held = self._may_hold() and np.array_equal(token, self._history[-1])
            if self._may_hold():
                coder.encode(int(held), self._held.model())
                self._held = self._held.then(held)
            if not held:
                self._walk(_Writer(coder, [int(v) for v in token]))
        data: bytes = coder.get_compressed().astype(">u4").tobytes()
        after = self._state()
        # Read as one number, the data is the smallest of many that decode to these tokens. Another
        # one may end in zero bytes. These need not be sent, as a decoder reads zeros after the
        # end. Only trial decoding tells for certain.
        number = int.from_bytes(data, "big")
        for cut in range(min(len(data), 2 * _WORD), 0, -1):
            self._return_to(saved)
            rounded = -(-number >> 8 * cut)
            try:
                shorter = rounded.to_bytes(len(data) - cut, "big")
                if np.array_equal(self.decode(shorter, len(tokens)), tokens):
                    data = shorter
                    break
            except (OverflowError, CorruptStream):
                continue
        self._return_to(after)
        return data

    def decode(self, payload: bytes, count: int) -> npt.NDArray[np.int32]:
        """See `TokenCoder.decode`."""
        padded = payload + bytes(2 * _WORD - len(payload) % _WORD)
        coder = constriction.stream.queue.RangeDecoder(
            np.frombuffer(padded, dtype=">u4").astype(np.uint32)
        )
        tokens = np.empty((count, self._size), np.int32)
        reader = _Reader(coder)
        try:
            for row in range(count):
                held = self._may_hold() and bool(coder.decode(self._held.model()))
                if self._may_hold():
                    self._held = self._held.then(held)
                tokens[row] = self._history[-1] if held else self._walk(reader)
        except (AssertionError, ValueError) as error:
            raise CorruptStream("token packet does not decode") from error
        return tokens

    def rehearse(self, ports: Iterable[Port]) -> npt.NDArray[np.int32]:
        """See `TokenCoder.rehearse`."""
        saved = self._state()
        try:
            tokens = [self._walk(port) for port in ports]
        finally:
            self._return_to(saved)
        return np.array(tokens, np.int32).reshape(-1, self._size)

    def _state(self) -> tuple[list[Integers], list[int], HeldSymbol]:
        return self._history, self._residuals, self._held

    def _return_to(self, state: tuple[list[Integers], list[int], HeldSymbol]) -> None:
        self._history, self._residuals, self._held = state

    def _may_hold(self) -> bool:
        """Whether there is a token that the next one may repeat."""
        return self._holds and bool(self._history)

    def _walk(self, port: Port) -> Integers:
        """One token: predict, choose the table, code the residual, dimension by dimension."""
        tables = self._tables
        running = bool(self._history)
        if running:
            predictor, models = tables.run, []
            base = predictor.temporal(self._history[-1], self._history[0])
        elif self._key is not None:
            predictor, models = tables.leap, tables.leap_models
            base = predictor.temporal(self._key, self._key)
        else:
            predictor, models = tables.start, tables.start_models
            nothing = np.zeros(self._size, np.int64)
            base = predictor.temporal(nothing, nothing)
        values: list[int] = []
        residuals = np.zeros(self._size, np.int64)
        activity = sum(self._residuals)
        for k in range(self._size):
            mixed = int(predictor.c[k, :k] @ residuals[:k]) if k else 0
            prediction = (base[k] + mixed) >> SHIFT
            if running:
                model = tables.run_models[bisect_right(tables.thresholds, activity)][k]
            else:
                model = models[k]
            residual = port.residual(model, k, prediction)
            value = prediction + residual
            if abs(value) > TOKEN_LIMIT:
                raise CorruptStream("token value out of range")
            values.append(value)
            residuals[k] = residual
            activity += abs(residual) - self._residuals[k]
        token = np.array(values, np.int64)
        self._history = [self._history[-1] if running else token, token]
        # A first token's residual measures its distance from the mean, not motion.
        self._residuals = [abs(int(r)) for r in residuals] if running else [0] * self._size
        return token


class _Writer:
    """Writes the residuals of one known token."""

    def __init__(self, coder: Any, token: list[int]) -> None:
        self._coder = coder
        self._token = token

    def residual(self, model: SymbolModel, k: int, prediction: int) -> int:
        residual = self._token[k] - prediction
        if abs(residual) <= RADIUS:
            self._coder.encode(residual + RADIUS, model.coder)
            return residual
        self._coder.encode(ESCAPE, model.coder)
        excess = abs(residual) - RADIUS
        digits = excess.bit_length()
        self._coder.encode(int(residual < 0), _BIT)
        for bit in [0] * (digits - 1) + [excess >> i & 1 for i in reversed(range(digits))]:
            self._coder.encode(bit, _BIT)
        return residual


class _Reader:
    """Reads residuals."""

    def __init__(self, coder: Any) -> None:
        self._coder = coder

    def residual(self, model: SymbolModel, k: int, prediction: int) -> int:
        symbol = int(self._coder.decode(model.coder))
        if symbol != ESCAPE:
            return symbol - RADIUS
        negative = self._coder.decode(_BIT)
        digits = 1
        while not self._coder.decode(_BIT):
            digits += 1
            if digits > _ESCAPE_BITS:
                raise CorruptStream("escaped residual out of range")
        excess = 1
        for _ in range(digits - 1):
            excess = excess << 1 | int(self._coder.decode(_BIT))
        return -(excess + RADIUS) if negative else excess + RADIUS
