"""Batches planned ahead, in processes of their own where a GPU would wait for one."""

from __future__ import annotations

import multiprocessing
import os
from collections import deque
from collections.abc import Generator, Iterable
from concurrent.futures import Future, ProcessPoolExecutor
from typing import NamedTuple

import torch

from imfcodec.training.config import TrainConfig
from imfcodec.training.data import PairSampler, Plan, Shard

AHEAD = 2  # batches per process that are planned or wait


class Request(NamedTuple):
    """Arguments of `PairSampler.plan`."""

    step: int
    batch: int
    size: int
    flow: bool
    part: tuple[int, int]


def planners_for(device: str, trainers: int) -> int:
    """How many processes plan for each of ``trainers``: none beside a CPU, which is busy itself."""
    if device == "cpu":
        return 0
    return max(1, (os.cpu_count() or 1) // trainers - 1)


def plans(
    shard: Shard, config: TrainConfig, requests: Iterable[Request], workers: int
) -> Generator[Plan]:
    """The plans that are asked for, in order; the same whatever the number of processes.

    Args:
        shard: What is drawn from.
        config: As for `PairSampler`.
        requests: One for each plan.
        workers: Processes that plan, each on one thread; 0 plans here, when a plan is due.
    """
    if not workers:
        sampler = PairSampler(shard, config)
        for request in requests:
            yield sampler.plan(*request)
        return
    # Spawned: a process that has used a GPU cannot be forked.
    context = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(workers, context, _begin, (shard, config))
    try:
        waiting: deque[Future[Plan]] = deque()
        for request in requests:
            waiting.append(pool.submit(_plan, request))
            if len(waiting) >= AHEAD * workers:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


_sampler: PairSampler | None = None


def _begin(shard: Shard, config: TrainConfig) -> None:
    global _sampler
    torch.set_num_threads(1)
    _sampler = PairSampler(shard, config)


def _plan(request: Request) -> Plan:
    if _sampler is None:
        raise RuntimeError("a planning process has not begun")
    return _sampler.plan(*request)
