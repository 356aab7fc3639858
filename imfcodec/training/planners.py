"""Prefetch of training data: worker processes prepare it if a GPU would have to wait."""

from __future__ import annotations

import multiprocessing
import os
from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ProcessPoolExecutor
from typing import Any, TypeVar

import torch

T = TypeVar("T")

AHEAD = 2  # prefetched results per worker, in work or waiting


def planners_for(device: str, trainers: int) -> int:
    """Number of workers for each of ``trainers``: none on a CPU, which is busy itself."""
    if device == "cpu":
        return 0
    return max(1, (os.cpu_count() or 1) // trainers - 1)


def ahead(
    make: Callable[[], Callable[..., T]], requests: Iterable[tuple[Any, ...]], workers: int
) -> Generator[T]:
    """Results of a function for each request, in order; the number of workers changes nothing.

    Args:
        make: Returns the function; called once in each process, and sent there.
        requests: The function's arguments, once for each result.
        workers: Processes, each on one thread; 0 works here, when a result is due.
    """
    if not workers:
        function = make()
        for request in requests:
            yield function(*request)
        return
    # Spawned: a process that has used a GPU cannot be forked.
    context = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(workers, context, _begin, (make,))
    try:
        waiting: deque[Future[T]] = deque()
        for request in requests:
            waiting.append(pool.submit(_work, request))
            if len(waiting) >= AHEAD * workers:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


_function: Callable[..., Any] | None = None


def _begin(make: Callable[[], Callable[..., Any]]) -> None:
    global _function
    torch.set_num_threads(1)
    _function = make()


def _work(request: tuple[Any, ...]) -> Any:
    if _function is None:
        raise RuntimeError("a planning process has not begun")
    return _function(*request)
