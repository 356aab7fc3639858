"""How many frames are rebuilt together, and by whom."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Executor
from typing import Final

import numpy as np

from imfcodec.arrays import Pictures, Tokens

FRAMES_A_THREAD: Final = 2
"""Frames that a CPU thread rebuilds together: with four it is no faster, and takes more memory."""

FRAMES_ON_A_GPU: Final = 32
"""Frames that a GPU rebuilds together."""

SIDE_BY_SIDE: Final = 2
"""Batches that a CPU rebuilds at the same time. Of single frames, two on a thread each take 41 ms a
frame where one on two threads takes 65 (two AVX2 cores); more would each take longer."""


def shared_out(
    workers: Executor, threads: int, rebuild: Callable[[Tokens], Pictures], batch: Tokens
) -> list[Pictures]:
    """Pictures of a batch, int32 [N, d_m], of which each thread rebuilds a share.

    The threads then wait less for each other than if all of them worked on each operation.
    """
    return list(workers.map(rebuild, np.array_split(batch, min(threads, len(batch)))))
