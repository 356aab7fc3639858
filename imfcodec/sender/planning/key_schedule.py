"""How many key frames the next frames get, and which frames these are."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Final

import numpy as np

from imfcodec.sender.face_emphasis import FaceEmphasis
from imfcodec.sender.planning.key_choice import cells_of, most_typical
from imfcodec.sender.planning.key_plan import INHERITED, plan_keys
from imfcodec.sender.planning.mutual_errors import mutual_errors
from imfcodec.sender.source_frame import SourceFrame

AHEAD: Final = 4
"""Number of intervals that are planned together."""

SAMPLES: Final = 32
"""Number of frames that are compared with each other; the time grows with its square."""

WORTH: Final = 0.004
"""Error that a key frame beyond one per interval must save, mean absolute difference in 0..1 over
an interval. Its bytes then lower LPIPS about as much as those of a higher quality do."""


class KeySchedule:
    """Places key frames where they serve best, on average one per interval of a scene.

    Where the picture changes more than motion explains, there are more: a fade, or a turned head.
    If an interval has no frame for its key frame, that key frame is not made up for later.

    Attributes:
        ticks: Time that is planned together, in ticks.
    """

    def __init__(
        self, interval_ticks: float, predicts: bool = True, emphasis: FaceEmphasis | None = None
    ) -> None:
        """Set up.

        Args:
            interval_ticks: Average time between key frames in ticks.
            predicts: Whether some are predicted.
            emphasis: Where errors count more; None weighs all alike.
        """
        self._emphasis = emphasis
        self.ticks = AHEAD * interval_ticks
        self._interval = interval_ticks
        self._inherited = INHERITED if predicts else 0.0
        self._begin_pts = 0
        self._granted = 0

    def begin(self, pts: int) -> None:
        """Begin a scene."""
        self._begin_pts, self._granted = pts, 0

    def choose(
        self,
        frames: Sequence[SourceFrame],
        known: Sequence[SourceFrame],
        advance: Callable[[float], None] = lambda share: None,
    ) -> list[int]:
        """Choose the key frames among the next frames of the scene.

        Args:
            frames: The frames in order; not empty.
            known: Key frames of the scene that these may depend on: none yet, or the base and, if
                it is another frame, the last key frame.
            advance: Called with each further share of the work, 0 to 1.

        Returns:
            Indices of the key frames, ascending; at least one if none is known.
        """
        granted = math.ceil((frames[-1].pts - self._begin_pts - 0.5) / self._interval)
        count = max(granted - self._granted, 0 if known else 1)
        places = _evenly(len(frames))
        apart = (frames[-1].pts - frames[0].pts) / max(len(places) - 1, 1)
        if known:
            count = min(count, round(len(places) * apart / self._interval))
        self._granted = max(granted, self._granted + count)
        price = WORTH * self._interval / apart if apart else math.inf
        weighed = [*known, *(frames[place] for place in places)]
        pictures = [frame.picture for frame in weighed]
        weights = self._emphasis.of(pictures) if self._emphasis else None
        keys = plan_keys(
            mutual_errors(pictures, advance, weights),
            [frame.pts for frame in weighed],
            len(known),
            count,
            self._interval,
            self._inherited,
            price,
        )
        return [_typical(frames, places, key - len(known)) for key in keys]


def _evenly(count: int) -> list[int]:
    """Indices of at most `SAMPLES` of ``count`` frames, evenly spaced."""
    return [int(n) for n in np.linspace(0, count - 1, min(count, SAMPLES)).round()]


def _typical(frames: Sequence[SourceFrame], places: Sequence[int], sample: int) -> int:
    """The most typical of the frames that a sample stands for, so that it is not a blink.

    It is the frame nearest to all frames between the neighbouring samples.
    """
    place = places[sample]
    before = places[sample - 1] if sample else place - 1
    after = places[sample + 1] if sample + 1 < len(places) else place + 1
    cells = np.stack([cells_of(frame.picture) for frame in frames[before + 1 : after]])
    first, last = (before + place) // 2 + 1, (place + after) // 2
    return before + 1 + most_typical(cells, range(first - before - 1, last - before))
