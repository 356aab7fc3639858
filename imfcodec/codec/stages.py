"""Time per stage of a spine, and its progress."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from threading import Lock

Progress = Callable[[int, float], None]
"""Called with the number of frames done and their duration in seconds."""

Timed = Callable[[str], AbstractContextManager[None]]
"""Takes the name of a stage, and measures the body as a part of it, as `StageTimes.timed` does."""

_counting = Lock()


@dataclass
class StageTimes:
    """Wall-clock milliseconds per stage of a spine.

    Threads that are in the same stage at the same time count once.
    """

    milliseconds: dict[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Nobody is in a stage."""
        self._inside: Counter[str] = Counter()
        self._begun: dict[str, float] = {}

    @contextmanager
    def timed(self, stage: str) -> Iterator[None]:
        """Measure the body as a part of a stage."""
        with _counting:
            if not self._inside[stage]:
                self._begun[stage] = time.perf_counter()
            self._inside[stage] += 1
        try:
            yield
        finally:
            with _counting:
                self._inside[stage] -= 1
                if not self._inside[stage]:
                    self.add(stage, time.perf_counter() - self._begun[stage])

    def add(self, stage: str, seconds: float) -> None:
        """Add ``seconds`` to a stage."""
        self.milliseconds[stage] = self.milliseconds.get(stage, 0.0) + seconds * 1000
