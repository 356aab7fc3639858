"""How many frames are rebuilt together, and by whom."""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import Executor
from typing import Final, NamedTuple

import numpy as np

from imfcodec.arrays import Pictures, Tokens

FRAMES_A_THREAD: Final = 2
"""Frames that a CPU thread rebuilds together: with four it is no faster, and takes more memory."""

FRAMES_ON_A_GPU: Final = 32
"""Frames that a GPU rebuilds together."""

SIDE_BY_SIDE: Final = 2
"""Batches that a CPU rebuilds at the same time. Of single frames, two on a thread each take 41 ms a
frame where one on two threads takes 65 (two AVX2 cores); more would each take longer."""


class Sharing(NamedTuple):
    """How a network's threads share its frames.

    Attributes:
        shares: Into how many parts a batch is divided.
        batch: Frames that are rebuilt together.
        side_by_side: Batches that are rebuilt at the same time.
    """

    shares: int
    batch: int
    side_by_side: int


def sharing(threads: int, batch: int | None, *, on_cpu: bool) -> Sharing:
    """What suits a device and so many threads; ``batch`` is the user's, if any."""
    if not on_cpu:
        return Sharing(1, batch or FRAMES_ON_A_GPU, 1)
    return Sharing(threads, batch or FRAMES_A_THREAD * threads, min(SIDE_BY_SIDE, threads))


def shared_out(
    workers: Executor, threads: int, rebuild: Callable[[Tokens], Pictures], batch: Tokens
) -> list[Pictures]:
    """Pictures of a batch, int32 [N, d_m], of which each thread rebuilds a share.

    The threads then wait less for each other than if all of them worked on each operation.
    """
    return list(workers.map(rebuild, np.array_split(batch, min(threads, len(batch)))))


def cores() -> int:
    """Cores of this process, which may be confined to fewer than the machine has."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
