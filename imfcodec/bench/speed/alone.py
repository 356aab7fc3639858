"""A function in a process of its own, on a number of cores."""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from typing import ParamSpec, TypeVar

from imfcodec.errors import ImfcodecError

_P = ParamSpec("_P")
_T = TypeVar("_T")


def alone(threads: int, run: Callable[_P, _T], *args: _P.args, **kwargs: _P.kwargs) -> _T:
    """Call a function in a new process: what others loaded and allocated is not in its figures.

    Spawned, not forked: torch's threads do not survive a fork.
    """
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, context, initializer=_settle, initargs=(threads,)) as pool:
        try:
            return pool.submit(run, *args, **kwargs).result()
        except BrokenProcessPool as error:
            raise ImfcodecError("a process that was being timed ended abruptly") from error


def _settle(threads: int) -> None:
    """Before anything starts threads, which inherit it."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:threads])
