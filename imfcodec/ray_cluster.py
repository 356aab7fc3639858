"""A connection to a Ray cluster, for the commands that can use one."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from imfcodec.errors import OptionError


@contextmanager
def connected(address: str) -> Iterator[Any]:
    """Connect to a cluster; yields the module `ray`.

    Args:
        address: As `ray.init` takes it: "auto", "ray://HOST:PORT", or "local" for an instance
            on this machine that lasts as long as the connection.

    Raises:
        OptionError: Ray is not installed, or there is no cluster at the address.
    """
    ray = _import_ray()
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # otherwise Ray sends usage statistics
    try:
        with _same_signal_handlers():
            ray.init(address=address, log_to_driver=False, logging_level="ERROR")
    except (ConnectionError, ValueError, RuntimeError) as error:
        raise OptionError(f"no Ray cluster at {address!r}: {error}") from error
    try:
        yield ray
    finally:
        # The driver's tasks end with its connection.
        ray.shutdown()


def capacity(ray: Any) -> int:
    """How many tasks to send at a time: for each CPU one that runs and one that waits."""
    return 2 * max(1, int(ray.cluster_resources().get("CPU", 1)))


def lost_errors(ray: Any) -> tuple[type[BaseException], ...]:
    """What `ray.get` raises where the cluster has lost a task."""
    return (
        ray.exceptions.WorkerCrashedError,
        ray.exceptions.NodeDiedError,
        ray.exceptions.OutOfMemoryError,
        ray.exceptions.ObjectLostError,
    )


@contextmanager
def _same_signal_handlers() -> Iterator[None]:
    """Restore signal handlers: Ray replaces that of SIGTERM, with which a run saves its results."""
    handler = signal.getsignal(signal.SIGTERM)
    try:
        yield
    finally:
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, handler)


def _import_ray() -> Any:
    try:
        import ray
    except ImportError as error:
        raise OptionError("a cluster needs Ray: pip install 'imfcodec[cluster]'") from error
    return ray
