"""Threads of a receiver, so that the parts of its work overlap."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor


class Workers:
    """Threads for each kind of work, which begin it in stream order.

        key pictures ─ restoring ─ references ─┐
        tokens ────────────────────────────────┴─ rebuilding ─ composing ─ frames to show

    `restoring` waits for nothing, `rebuilding` for references, `composing` for both.
    """

    def __init__(self, side_by_side: int) -> None:
        """Start no thread yet.

        Args:
            side_by_side: Batches of frames that are rebuilt at the same time.
        """
        self.restoring = ThreadPoolExecutor(1, "imfcodec-restoring")
        self.rebuilding = ThreadPoolExecutor(side_by_side, "imfcodec-rebuilding")
        self.composing = ThreadPoolExecutor(1, "imfcodec-composing")

    def stop(self) -> None:
        """Give up what has not begun; what has begun ends by itself."""
        for pool in (self.restoring, self.rebuilding, self.composing):
            pool.shutdown(wait=False, cancel_futures=True)
