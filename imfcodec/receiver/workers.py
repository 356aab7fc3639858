"""Threads of a receiver, so that the parts of its work overlap."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor


class Workers:
    """One thread for each kind of work, which does it in stream order.

        key pictures ─ restoring ─┐
        tokens ───────────────────┴─ rebuilding ─ composing ─ frames to show

    `restoring` waits for nothing, `rebuilding` for restored pictures, `composing` for both.
    """

    def __init__(self) -> None:
        """Start no thread yet."""
        self.restoring = ThreadPoolExecutor(1, "imfcodec-restoring")
        self.rebuilding = ThreadPoolExecutor(1, "imfcodec-rebuilding")
        self.composing = ThreadPoolExecutor(1, "imfcodec-composing")

    def stop(self) -> None:
        """Give up what has not begun; what has begun ends by itself."""
        for pool in (self.restoring, self.rebuilding, self.composing):
            pool.shutdown(wait=False, cancel_futures=True)
