"""Keeps SVT-AV1 from taking the machine over."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator


@contextlib.contextmanager
def same_scheduling_class() -> Iterator[None]:
    """Restore the calling process's scheduling class afterwards.

    SVT-AV1, opened by root, raises its process to SCHED_FIFO 99, which starves everything
    else on the machine, the caller's own threads included.
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
