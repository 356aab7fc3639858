"""From rebuilt pictures at coded size to frames at display size."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt

from imfcodec.arrays import Picture
from imfcodec.bitstream import Window
from imfcodec.codec.upcoming import Upcoming
from imfcodec.media.geometry import CodingGeometry
from imfcodec.receiver.composition import Composer
from imfcodec.receiver.report import DecodeReport


@dataclass(frozen=True)
class DecodedFrame:
    """One frame to show.

    Attributes:
        number: Number of frames before it in display order.
        pts: Time in ticks of the stream's time base.
        rgb: uint8 [H, W, 3] at display size.
        lost: Whether the frame was lost, so that an earlier one is repeated.
        key: Number of the key frame that it was rebuilt from; for a key frame, its own number.
    """

    number: int
    pts: int
    rgb: npt.NDArray[np.uint8]
    lost: bool = False
    key: int = 0


@dataclass(frozen=True)
class PlannedFrame:
    """A frame whose pictures may still be in the making.

    Attributes:
        number: As in `DecodedFrame`.
        pts: As there.
        key: As there.
        base: Picture of the base at coded size; None if the frame was lost.
        windows: Window and picture of each layer that has one.
        cut: Whether the frame begins a shot.
    """

    number: int
    pts: int
    key: int
    base: Upcoming[Picture] | None
    windows: Mapping[int, tuple[Window, Upcoming[Picture]]] = field(default_factory=dict)
    cut: bool = False


class Display:
    """Scales and composes the pictures of successive frames."""

    def __init__(self, geometry: CodingGeometry, report: DecodeReport) -> None:
        """Set up.

        Args:
            geometry: The sizes of the stream.
            report: Takes the time of each stage.
        """
        self._geometry = geometry
        self._stages = report.stages
        self._composer = Composer(geometry.display)
        self._base = self._scaled = np.empty((0, 0, 3), np.uint8)
        self._last: DecodedFrame | None = None

    def show(self, planned: PlannedFrame) -> DecodedFrame:
        """The next frame, when its pictures have been made; a lost one repeats the one before."""
        if planned.base is None:
            assert self._last is not None  # nothing is planned for frames lost before the first
            self._last = replace(self._last, number=planned.number, pts=planned.pts, lost=True)
            return self._last
        picture = planned.base.get()
        windows = {layer: (window, p.get()) for layer, (window, p) in planned.windows.items()}
        if picture is not self._base:
            with self._stages.timed("scale"):
                self._base, self._scaled = picture, self._geometry.to_display(picture)
        with self._stages.timed("composition"):
            composed = self._composer.compose(self._scaled, windows, cut=planned.cut)
        self._last = DecodedFrame(planned.number, planned.pts, composed, key=planned.key)
        return self._last
