"""The largest resident set of a process."""

from __future__ import annotations

import sys
from contextlib import suppress
from pathlib import Path

_PROCESSES = Path("/proc")


def peak_memory_bytes() -> int:
    """Peak of this process since it began its program.

    Linux carries getrusage's figure over from the process that forked, so a child of a large
    parent would look large; its own peak stands in /proc.
    """
    if _PROCESSES.exists() and (peak := peak_memory_of("self")):
        return peak
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def peak_memory_of(process: int | str) -> int:
    """The same of another process, by its number; 0 where it has ended or there is no /proc."""
    with suppress(OSError):
        for line in (_PROCESSES / str(process) / "status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    return 0
