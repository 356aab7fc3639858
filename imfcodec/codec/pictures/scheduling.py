"""Keeps SVT-AV1 from taking over the machine."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator


@contextlib.contextmanager
def same_scheduling_class() -> Iterator[None]:
    """Restore the calling process's scheduling class afterwards.

    If root opens SVT-AV1, it raises its process to SCHED_FIFO 99. That starves everything else on
    the machine, including the caller's own threads.
    """
    if not hasattr(os, "sched_getscheduler"):
        yield
        return
    policy, parameters = os.sched_getscheduler(0), os.sched_getparam(0)
    try:
        yield
    finally:
        if os.sched_getscheduler(0) != policy:
            os.sched_setscheduler(0, policy, parameters)
