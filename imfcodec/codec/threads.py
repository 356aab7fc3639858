"""How many threads torch uses for this package, without changing it for the host program."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import cache
from threading import Lock, Thread
from typing import TypeVar

import torch

Part = TypeVar("Part")
Result = TypeVar("Result")

_lock = Lock()


def set_own_threads(count: int, others: int) -> None:
    """Use ``count`` torch threads in the calling thread; threads that start later use ``others``.

    torch keeps a count for each thread, and one for threads that begin to use it. It sets both at
    once, so another thread sets the second one back.
    """
    with _lock:
        torch.get_num_threads()  # a thread's first call sets its count to that of new threads
        torch.set_num_threads(count)
        if count != others:
            other = Thread(target=torch.set_num_threads, args=(others,))
            other.start()
            other.join()


@contextmanager
def own_threads(count: int | None) -> Iterator[None]:
    """Let the body's torch operations use so many threads; None changes nothing."""
    host = torch.get_num_threads()
    if count is None or count == host:
        yield
        return
    set_own_threads(count, host)
    try:
        yield
    finally:
        set_own_threads(host, host)


def shared_out(work: Callable[[Part], Result], parts: Sequence[Part]) -> Iterator[Result]:
    """Work on each part; as many parts at the same time as the caller has torch threads.

    Each of them has one torch thread: they then wait less for each other than if all worked on each
    operation. What torch knows of the calling thread, such as inference mode, does not hold there.
    """
    count = torch.get_num_threads()
    if count == 1 or len(parts) < 2:
        return map(work, parts)
    return _workers(count).map(work, parts)


@cache
def _workers(count: int) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(count, "imfcodec-share", set_own_threads, (1, count))
