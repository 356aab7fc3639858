"""How many threads torch uses for this package, without changing it for the host program."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock, Thread

import torch

_lock = Lock()


def set_own_threads(count: int, others: int) -> None:
    """Use ``count`` torch threads in the calling thread; threads that start later use ``others``.

    torch keeps a count for each thread, and one for threads that begin to use it. It sets both at
    once, so another thread sets the second one back.
    """
    with _lock:
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
