"""Content of a stream, without decoding a picture."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, NamedTuple

from imfcodec.bitstream import (
    AudioPacket,
    Damage,
    EndPacket,
    ExtensionPacket,
    KeyPacket,
    LayerPacket,
    PredictedKeyPacket,
    RunPacket,
    SizeLedger,
    StreamHeader,
    StreamReader,
    TokenPacket,
    Window,
    WindowEnd,
    frame_pts,
)
from imfcodec.receiver.report import stream_rate_kbps
from imfcodec.receiver.sources import open_stream


class KeyFrameEntry(NamedTuple):
    """One key frame: its number, pts, and whether it is coded from an earlier one."""

    number: int
    pts: int
    predicted: bool


@dataclass
class WindowEntry:
    """A stretch of a layer in which its window stays where it is.

    Attributes:
        layer: Number of the layer, from 1.
        first_frame, last_frame: Numbers of its frames.
        window: Place and sizes of the window.
    """

    layer: int
    first_frame: int
    last_frame: int
    window: Window


@dataclass
class RunEntry:
    """A stretch of the base that is plain AV1 video: numbers of its frames."""

    first_frame: int
    last_frame: int


@dataclass
class StreamSummary:
    """Everything that `imfcodec info` shows.

    Attributes:
        header: The stream's header.
        sizes: Bytes by kind.
        packets: Packets by kind.
        frames: Number of frames according to the end packet, or the number seen without one.
        key_frames: Every key frame of the base.
        windows: Every window of the layers, in stream order.
        runs: Every AV1 run of the base.
        duration_s: Duration of the video in seconds.
        audio_packets: Number of Opus packets.
        complete: Whether the stream ends with its end packet.
        damage: One line for each damaged place.
    """

    header: StreamHeader
    sizes: SizeLedger
    packets: dict[str, int] = field(default_factory=dict)
    frames: int = 0
    key_frames: list[KeyFrameEntry] = field(default_factory=list)
    windows: list[WindowEntry] = field(default_factory=list)
    runs: list[RunEntry] = field(default_factory=list)
    duration_s: float = 0.0
    audio_packets: int = 0
    complete: bool = False
    damage: list[str] = field(default_factory=list)

    @property
    def rate_kbps(self) -> float:
        """Rate of the stream without its audio in kbit/s."""
        return stream_rate_kbps(self.sizes, self.duration_s)


_KINDS = {
    KeyPacket: "key",
    PredictedKeyPacket: "predicted key",
    TokenPacket: "tokens",
    RunPacket: "run",
    AudioPacket: "audio",
    LayerPacket: "layer",
    EndPacket: "end",
    ExtensionPacket: "extension",
}


def inspect(source: str | Path | BinaryIO) -> StreamSummary:
    """Read a whole stream and summarise it; needs no weights.

    Args:
        source: Path, "-" for standard input, or a binary file object.

    Raises:
        ImfcodecError: The header cannot be read. Damage after it is listed, not raised.
    """
    with ExitStack() as stack:
        reader = StreamReader(open_stream(source, stack))
        summary = StreamSummary(reader.header, reader.sizes)
        end_pts = 0
        nominal = int(reader.header.nominal_duration)
        shown: dict[int, WindowEntry] = {}  # last window by layer
        for packet in reader:
            if isinstance(packet, Damage):
                summary.damage.append(
                    f"{packet.length_bytes} bytes at offset {packet.offset}: {packet.reason}"
                )
                continue
            kind = _KINDS[type(packet)]
            summary.packets[kind] = summary.packets.get(kind, 0) + 1
            match packet:
                case KeyPacket() | PredictedKeyPacket():
                    predicted = isinstance(packet, PredictedKeyPacket)
                    summary.key_frames.append(
                        KeyFrameEntry(packet.frame_number, packet.pts, predicted)
                    )
                    summary.frames = packet.frame_number + 1
                    end_pts = packet.pts + nominal
                case TokenPacket() | RunPacket():
                    summary.frames = packet.first_frame + len(packet.pts)
                    end_pts = packet.pts[-1] + nominal
                    if isinstance(packet, RunPacket):
                        _add_run(summary.runs, packet)
                case LayerPacket():
                    _add_window(summary.windows, shown, packet)
                case AudioPacket():
                    summary.audio_packets += len(packet.packets)
                case EndPacket():
                    summary.frames = packet.frame_count
                    end_pts = packet.end_pts
                    summary.complete = True
        summary.duration_s = float(end_pts * reader.header.time_base)
    return summary


def _add_run(runs: list[RunEntry], packet: RunPacket) -> None:
    first, last = packet.first_frame, packet.first_frame + len(packet.pts) - 1
    if not packet.begins and runs and runs[-1].last_frame + 1 == first:
        runs[-1].last_frame = last
    else:
        runs.append(RunEntry(first, last))


def _add_window(
    windows: list[WindowEntry], shown: dict[int, WindowEntry], packet: LayerPacket
) -> None:
    """Lists the window of a layer packet; ``shown`` has the last one by layer, if it is there."""
    inner, entry = packet.packet, shown.get(packet.layer)
    if isinstance(inner, WindowEnd):
        shown.pop(packet.layer, None)
        return
    first = inner.first_frame
    last = first + len(frame_pts(inner)) - 1
    if entry and packet.window in (None, entry.window) and first <= entry.last_frame + 1:
        entry.last_frame = max(last, entry.last_frame)
    elif packet.window:
        shown[packet.layer] = WindowEntry(packet.layer, first, last, packet.window)
        windows.append(shown[packet.layer])
