"""The whole picture as one layer of key frames and tokens."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from imfcodec.media.geometry import CodingGeometry
from imfcodec.sender.layer import Layer
from imfcodec.sender.layout.layout import LayoutPacket
from imfcodec.sender.layout.placing import PlacedFrame


class Whole:
    """See `Stretch`."""

    name = "whole"

    def __init__(self, geometry: CodingGeometry, layer: Layer, *, shot: bool) -> None:
        """Take what does the work.

        Args:
            geometry: Sizes of the picture.
            layer: Codes it.
            shot: Whether the stretch ends with its shot.
        """
        self._geometry, self._layer, self._shot = geometry, layer, shot
        self.given = 0

    @property
    def key_config(self) -> bytes:
        """See `Stretch`."""
        return self._layer.key_config

    def takes(self, placed: PlacedFrame) -> bool:
        """See `Stretch`."""
        return not (self._shot and placed.cut)

    def push(self, placed: PlacedFrame) -> Iterator[LayoutPacket]:
        """See `Stretch`."""
        self.given += 1
        frame = placed.frame
        return self._layer.push(replace(frame, picture=self._geometry.to_coded(frame.picture)))

    def flush(self, *, more: bool) -> Iterator[LayoutPacket]:
        """See `Stretch`."""
        return self._layer.flush()
