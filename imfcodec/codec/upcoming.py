"""Things that may still be in the making."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Executor
from threading import Lock
from typing import Generic, TypeVar

Content = TypeVar("Content")


class Upcoming(Generic[Content]):
    """Something that is made, or waited for, when it is first asked for."""

    def __init__(self, make: Callable[[], Content]) -> None:
        """Take what makes it, or waits for it."""
        self._make: Callable[[], Content] | None = make
        self._making = Lock()
        self._content: Content
        self._error: Exception | None = None

    def get(self) -> Content:
        """It, or the error that came instead; the same object each time, whichever thread asks."""
        with self._making:
            if self._make is not None:
                make, self._make = self._make, None  # it holds what it was made from
                try:
                    self._content = make()
                except Exception as error:
                    self._error = error
            if self._error is not None:
                raise self._error
            return self._content


def begun(make: Callable[[], Content], workers: Executor | None) -> Callable[[], Content]:
    """Let a worker make something; without workers, whoever calls the result makes it.

    Returns:
        Waits for it, and raises what went wrong there.
    """
    return workers.submit(make).result if workers else make
