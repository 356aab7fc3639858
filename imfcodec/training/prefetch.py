"""Training data prepared ahead: by worker processes if a GPU would have to wait, and a thread."""

from __future__ import annotations

import os
from collections.abc import Generator, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

import torch
from torch.utils.data import DataLoader

T = TypeVar("T")


def workers_for(device: str, trainers: int) -> int:
    """Number of workers for each of ``trainers``: none on a CPU, which is busy itself."""
    if device == "cpu":
        return 0
    return max(1, (os.cpu_count() or 1) // trainers - 1)


def prepared(source: Any, requests: Iterable[Any], workers: int) -> DataLoader[Any]:
    """``source[request]`` for each request, in order; the number of workers changes nothing.

    Args:
        source: Sent to each worker once.
        requests: One for each result.
        workers: Processes, each on one thread; 0 works here, when a result is due.
    """
    return DataLoader(
        source,
        batch_size=None,
        sampler=requests,
        num_workers=workers,
        collate_fn=_unchanged,
        # Spawned: a process that has used a GPU cannot be forked.
        multiprocessing_context="spawn" if workers else None,
        generator=torch.Generator(),  # the global one is left as it is
    )


def ahead(results: Iterable[T]) -> Generator[T]:
    """The same results; a thread makes the next one while one is used."""
    source = iter(results)
    with ThreadPoolExecutor(1) as reader:
        coming = reader.submit(next, source, None)
        while (result := coming.result()) is not None:
            coming = reader.submit(next, source, None)
            yield result


def _unchanged(result: T) -> T:
    return result
