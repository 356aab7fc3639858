"""Whether a source is live: it gives its frames at the pace at which they are to be shown.

A file that goes through a pipe looks different: it has the next frame before that is due.
"""

from __future__ import annotations

from collections import deque
from typing import Final

import numpy as np

LOOKED_AT: Final = 16
"""A source is live if so many successive frames ..."""

SHARE: Final = 0.9
"""... take this share of their time to arrive, the longest gap left out: a reader that was kept
from its work for a moment has such a gap."""


class Pace:
    """Sees frames arrive.

    Attributes:
        live: Whether the source is known to be live.
    """

    def __init__(self) -> None:
        """Know nothing yet."""
        self._seen: deque[tuple[float, float]] = deque(maxlen=LOOKED_AT)
        self.live = False

    def see(self, arrival_s: float, time_s: float) -> None:
        """Note a frame.

        Args:
            arrival_s: When it arrived, by a clock that nobody sets.
            time_s: When it is to be shown, in the time of the video.
        """
        self._seen.append((arrival_s, time_s))
        if len(self._seen) == LOOKED_AT:
            arrivals_s, times_s = (np.diff(x) for x in zip(*self._seen, strict=True))
            spread_s, shown_s = (x.sum() - x.max() for x in (arrivals_s, times_s))
            self.live |= bool(spread_s >= SHARE * shown_s)

    def delayed(self) -> None:
        """Note that the source had to wait, so that its pace says nothing until it goes on."""
        self._seen.clear()
