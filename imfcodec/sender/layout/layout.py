"""What an encoder asks of a layout: pictures to packets."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Protocol

from imfcodec.bitstream import (
    KeyPacket,
    LayerPacket,
    PredictedKeyPacket,
    RunPacket,
    TokenPacket,
)
from imfcodec.media.geometry import CodingGeometry
from imfcodec.sender.layer import Layer
from imfcodec.sender.source_frame import SourceFrame

LayoutPacket = KeyPacket | PredictedKeyPacket | TokenPacket | RunPacket | LayerPacket


class Layout(Protocol):
    """Divides pictures among layers, and codes these."""

    @property
    def name(self) -> str:
        """Which one it is, "whole" or "windows"; known after the first packet."""
        ...

    @property
    def given(self) -> int:
        """Number of frames that the layers were given, together."""
        ...

    @property
    def windows(self) -> int:
        """Largest number of windows; known after the first packet."""
        ...

    @property
    def key_config(self) -> bytes:
        """The key codec's configuration of the base; known after the first packet."""
        ...

    def push(self, frame: SourceFrame) -> Iterator[LayoutPacket]:
        """Take the next frame, at display size; yield the packets that it completes, in order."""
        ...

    def flush(self) -> Iterator[LayoutPacket]:
        """Yield the packets of the frames that are left."""
        ...


class Whole:
    """The whole picture is one layer."""

    name = "whole"
    windows = 0

    def __init__(self, geometry: CodingGeometry, layer: Layer) -> None:
        """Take the sizes of the picture, and the layer."""
        self._geometry, self._layer = geometry, layer
        self.given = 0

    @property
    def key_config(self) -> bytes:
        """See `Layout`."""
        return self._layer.key_config

    def push(self, frame: SourceFrame) -> Iterator[LayoutPacket]:
        """See `Layout`."""
        self.given += 1
        return self._layer.push(replace(frame, picture=self._geometry.to_coded(frame.picture)))

    def flush(self) -> Iterator[LayoutPacket]:
        """See `Layout`."""
        return self._layer.flush()
