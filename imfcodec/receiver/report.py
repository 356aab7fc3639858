"""The report of a decode."""

from __future__ import annotations

from dataclasses import dataclass, field

from imfcodec.bitstream import SizeLedger
from imfcodec.bitstream.rate import rate_kbps
from imfcodec.codec.stages import StageTimes


@dataclass
class DecodeReport:
    """Result of decoding one stream.

    Attributes:
        frames: Frames written, including repeated ones.
        key_frames: Key frames decoded, of the base and of all windows.
        predicted_key_frames: How many of them are coded from earlier key frames.
        windows: Frames that show a window, by the number of its layer.
        late: Frames of a live stream that show the picture before them, because they were late.
        lost: First and last number of each run of lost frames.
        damage: One line for each damaged place of the stream.
        truncated: Whether the stream ends before its end packet.
        duration_s: Duration of the video in seconds.
        sizes: Bytes of the stream by kind.
        weights: Name and id of the weights.
        engine: What ran the network, a key of `ENGINES`.
        stages: Time per stage.
        wall_s: Wall-clock time of the whole command in seconds.
        warnings: Properties that the output could not keep.
    """

    weights: str
    engine: str
    sizes: SizeLedger
    frames: int = 0
    key_frames: int = 0
    predicted_key_frames: int = 0
    windows: dict[int, int] = field(default_factory=dict)
    late: int = 0
    lost: list[tuple[int, int]] = field(default_factory=list)
    damage: list[str] = field(default_factory=list)
    truncated: bool = False
    duration_s: float = 0.0
    stages: StageTimes = field(default_factory=StageTimes)
    wall_s: float = 0.0
    warnings: list[str] = field(default_factory=list)

    @property
    def fps(self) -> float:
        """Frames per second of the whole command."""
        return self.frames / self.wall_s if self.wall_s else 0.0

    @property
    def rate_kbps(self) -> float:
        """Rate of the stream without its audio in kbit/s."""
        return stream_rate_kbps(self.sizes, self.duration_s)

    @property
    def lost_frames(self) -> int:
        """Number of lost frames."""
        return sum(last - first + 1 for first, last in self.lost)

    def lose(self, first: int, last: int) -> None:
        """Record frames as lost; adjacent runs are joined."""
        if self.lost and self.lost[-1][1] + 1 >= first:
            self.lost[-1] = (self.lost[-1][0], max(last, self.lost[-1][1]))
        else:
            self.lost.append((first, last))


def stream_rate_kbps(sizes: SizeLedger, duration_s: float) -> float:
    """C3: 8 * (all bytes - audio bytes) / duration in kbit/s; 0 if there is no duration."""
    return rate_kbps(sizes.total_bytes, sizes.audio_bytes, duration_s) if duration_s > 0 else 0.0
