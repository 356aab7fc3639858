"""Keeps SVT-AV1 from taking over the machine, and from waiting for ever."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, wait
from pathlib import Path
from threading import Lock, Thread
from typing import Final, TypeVar

from imfcodec.errors import KeyframeCodecError

ATTEMPTS: Final = 3
"""How often a call is begun before it counts as failed; each time it may take twice as long."""

LOOK_S: Final = 0.2
"""So often something else is done while a call runs, in seconds."""

Result = TypeVar("Result")

_TURN = Lock()
"""Whoever opens SVT-AV1 takes turns: a raised scheduling class would be taken for the right one."""

TURN_S: Final = 5.0
"""Longest time that somebody waits for a turn, in seconds: one that hangs keeps it."""

_CALLER: Final = 0
"""What scheduling calls the calling thread."""

_THREADS: Final = Path("/proc/self/task")
"""The threads of this process, on Linux."""


def watched(
    work: Callable[[], Result], patience_s: float, meanwhile: Callable[[], None] = lambda: None
) -> Result:
    """Run a call of SVT-AV1, which sometimes waits for its own threads for ever.

    The call runs in a thread of its own. One that does not return is left behind, and the call is
    begun anew.

    Args:
        work: The call; it may run more than once.
        patience_s: Longest time for the first attempt, in seconds.
        meanwhile: Called by the calling thread now and then and at the end of each attempt; its
            time does not count.

    Raises:
        KeyframeCodecError: No attempt returned.
        Exception: Whatever the call raises.
    """
    for attempt in range(ATTEMPTS):
        call: Future[Result] = Future()
        # A daemon, as the program must be able to end while a call still waits.
        Thread(target=_run, args=(call, work), name="imfcodec-svtav1", daemon=True).start()
        left_s = patience_s * 2**attempt
        while left_s > 0 and not call.done():
            begun = time.monotonic()
            wait([call], min(left_s, LOOK_S))
            left_s -= time.monotonic() - begun
            meanwhile()
        if call.done():
            return call.result()
    raise KeyframeCodecError(f"libsvtav1 did not return in {ATTEMPTS} attempts")


def _run(call: Future[Result], work: Callable[[], Result]) -> None:
    try:
        call.set_result(work())
    except BaseException as error:  # the caller raises it
        call.set_exception(error)


@contextlib.contextmanager
def usual_scheduling() -> Iterator[None]:
    """Open SVT-AV1 in the body; all threads then have the scheduling class that they had before.

    If root opens SVT-AV1, it raises its process to SCHED_FIFO 99, and its own threads are born with
    that. They would starve everything else on the machine, including the caller's other threads.
    New threads get the class of the caller.
    """
    os.environ.setdefault("SVT_LOG", "1")  # errors only; the library logs to stderr
    if not hasattr(os, "sched_getscheduler"):
        yield
        return
    has_turn = _TURN.acquire(timeout=TURN_S)
    before = _classes()
    try:
        yield
    finally:
        for thread, now in _classes().items():
            usual = before.get(thread, before[_CALLER])
            if now != usual:
                with contextlib.suppress(OSError):  # it has just ended
                    os.sched_setscheduler(thread, usual[0], os.sched_param(usual[1]))
        if has_turn:
            _TURN.release()


def _classes() -> dict[int, tuple[int, int]]:
    """Scheduling policy and priority of the calling thread, the main one and, on Linux, all."""
    listed = [int(thread.name) for thread in _THREADS.iterdir()] if _THREADS.is_dir() else []
    classes = {}
    for thread in (_CALLER, os.getpid(), *listed):
        with contextlib.suppress(OSError):  # it has just ended
            priority = os.sched_getparam(thread).sched_priority
            classes[thread] = os.sched_getscheduler(thread), priority
    return classes
