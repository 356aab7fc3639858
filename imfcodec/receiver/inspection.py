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
    SizeLedger,
    StreamHeader,
    StreamReader,
    TokenPacket,
)
from imfcodec.receiver.report import stream_rate_kbps
from imfcodec.receiver.sources import open_stream


class KeyFrameEntry(NamedTuple):
    """One key frame: its number, pts, and whether it is coded from an earlier one."""

    number: int
    pts: int
    predicted: bool


@dataclass
class StreamSummary:
    """Everything that `imfcodec info` shows.

    Attributes:
        header: The stream's header.
        sizes: Bytes by kind.
        packets: Packets by kind.
        frames: Number of frames according to the end packet, or the number seen without one.
        key_frames: Every key frame.
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
                case TokenPacket():
                    summary.frames = packet.first_frame + len(packet.pts)
                    end_pts = packet.pts[-1] + nominal
                case AudioPacket():
                    summary.audio_packets += len(packet.packets)
                case EndPacket():
                    summary.frames = packet.frame_count
                    end_pts = packet.end_pts
                    summary.complete = True
        summary.duration_s = float(end_pts * reader.header.time_base)
    return summary
