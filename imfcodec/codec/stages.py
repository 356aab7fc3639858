"""Time per stage of a spine, and its progress."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from threading import Lock

Progress = Callable[[int, float], None]
"""Called with the number of frames done and their duration in seconds."""

_adding = Lock()


@dataclass
class StageTimes:
    """Wall-clock milliseconds per stage of a spine, in all threads together."""

    milliseconds: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def timed(self, stage: str) -> Iterator[None]:
        """Measure the body as a part of a stage."""
        begin = time.perf_counter()
        try:
            yield
        finally:
            self.add(stage, time.perf_counter() - begin)

    def add(self, stage: str, seconds: float) -> None:
        """Add ``seconds`` to a stage."""
        with _adding:
            self.milliseconds[stage] = self.milliseconds.get(stage, 0.0) + seconds * 1000
