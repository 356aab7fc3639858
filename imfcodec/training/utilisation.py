"""Utilisation: training operations as a share of the machine's peak."""

from __future__ import annotations

import time
from collections.abc import Hashable

import torch
from torch.utils.flop_counter import FlopCounterMode

SIDE = {"cpu": 1024, "cuda": 8192}  # of the matrices multiplied to find the peak
MEASURE_S = 0.3


class FlopMeter:
    """Counts the floating-point operations of training steps.

    Convolutions, matrix products and attention count, forward and backward, a multiply-add as
    two; attention as a CPU fuses it does not, torch does not know its cost. Steps of one kind
    (size, batch, ...) cost the same: only the first of each kind is counted, the
    others are looked up.
    """

    def __init__(self) -> None:
        self._known: dict[Hashable, int] = {}
        self._kind: Hashable = None
        self._counter: FlopCounterMode | None = None
        self._total = 0

    @property
    def counting(self) -> bool:
        """Whether the step that has begun is the first of its kind."""
        return self._counter is not None

    def begin(self, kind: Hashable) -> None:
        """Before the first operation of a step."""
        self._kind = kind
        if kind not in self._known:
            self._counter = FlopCounterMode(display=False)
            self._counter.__enter__()

    def end(self) -> None:
        """After its last."""
        if self._counter:
            self._counter.__exit__(None, None, None)
            self._known[self._kind] = self._counter.get_total_flops()
            self._counter = None
        self._total += self._known[self._kind]

    def take(self) -> int:
        """Operations since the last call."""
        total, self._total = self._total, 0
        return total


def peak_flops(device: str, precision: str) -> float:
    """Operations per second in one large matrix product in "fp32", "bf16" or "fp16".

    A measured yardstick: it includes what clocks, threads and other processes leave.
    """
    kind = device.split(":")[0]
    dtype = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}[precision]
    side = SIDE.get(kind, SIDE["cpu"])
    a = torch.ones(side, side, device=device, dtype=dtype)
    best, begun = 0.0, time.monotonic()
    while time.monotonic() - begun < MEASURE_S:
        start = time.perf_counter()
        float((a @ a)[0, 0])  # reading a value waits for the device
        best = max(best, 2 * side**3 / (time.perf_counter() - start))
    return best
