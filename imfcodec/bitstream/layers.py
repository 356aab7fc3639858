"""Packets of type 4: those of the window layers to payloads and back (FORMAT.md, section 5.7).

Those of the base are runs; see `runs`.
"""

from __future__ import annotations

from collections.abc import Sequence

from imfcodec.bitstream.cursor import Cursor
from imfcodec.bitstream.framing import check_payload_size
from imfcodec.bitstream.limits import FORMAT_LIMITS, Limits
from imfcodec.bitstream.packets import (
    KIND_WINDOW_END,
    TYPE_KEY,
    TYPE_PREDICTED_KEY,
    TYPE_TOKENS,
    LayerPacket,
    RunPacket,
    VideoPacket,
    Window,
    WindowEnd,
)
from imfcodec.bitstream.parameters import BLOCK, StreamHeader
from imfcodec.bitstream.payloads import read_video, write_video
from imfcodec.bitstream.rules import require
from imfcodec.bitstream.runs import read_run
from imfcodec.bitstream.timeline import Timeline
from imfcodec.bitstream.varint import write_varint

_KIND_BITS = 0b111
_WINDOW = 1 << 3
_LAYER_SHIFT = 4


def write_layer(packet: LayerPacket, timeline: Timeline, header: StreamHeader) -> bytes:
    """Writes the payload of a layer packet.

    Args:
        packet: The packet.
        timeline: That of its layer.
        header: Parameters of the stream.

    Raises:
        CorruptStream: The window leaves the picture.
        LimitExceeded: A size is above the limits of the format.
    """
    _check_inside(packet.window, header)
    if isinstance(packet.packet, WindowEnd):
        kind, inner = KIND_WINDOW_END, write_varint(packet.packet.frame_number)
    else:
        kind, inner = write_video(packet.packet, timeline)
    check_payload_size(kind, len(inner), FORMAT_LIMITS)
    has_window = packet.window is not None
    fields = [bytes([packet.layer << _LAYER_SHIFT | has_window * _WINDOW | kind])]
    if packet.window is not None:
        fields += map(write_varint, (packet.window.left, packet.window.top, packet.window.side))
        fields.append(bytes([packet.window.coded_side // BLOCK]))
    return b"".join(fields) + inner


def read_layer(
    payload: Cursor, timelines: Sequence[Timeline], header: StreamHeader, limits: Limits
) -> LayerPacket | RunPacket:
    """Reads a payload of type 4; ``timelines`` are those of the base and the layers."""
    flags = payload.u8()
    layer, kind = flags >> _LAYER_SHIFT, flags & _KIND_BITS
    if layer == 0:
        return read_run(flags, payload, timelines[0], limits)
    require(layer <= header.windows, f"layer {layer} of {header.windows}")
    known = kind in (TYPE_KEY, TYPE_TOKENS, KIND_WINDOW_END, TYPE_PREDICTED_KEY)
    require(known, f"a packet of type {kind} in a layer")
    window = _read_window(payload) if flags & _WINDOW else None
    _check_inside(window, header)
    check_payload_size(kind, payload.left_bytes, limits)
    inner: VideoPacket | WindowEnd
    if kind == KIND_WINDOW_END:
        inner = WindowEnd(payload.varint())
        payload.finish()
    else:
        inner = read_video(kind, payload, timelines[layer], limits)
    return LayerPacket(layer, inner, window)


def _read_window(payload: Cursor) -> Window:
    left, top, side = payload.varint(), payload.varint(), payload.varint()
    return Window(left, top, side, payload.u8() * BLOCK)


def _check_inside(window: Window | None, header: StreamHeader) -> None:
    if window is not None:
        right, bottom = window.left + window.side, window.top + window.side
        geometry = header.geometry
        inside = right <= geometry.display_width and bottom <= geometry.display_height
        require(inside, f"a window up to {right}, {bottom} leaves the picture")
