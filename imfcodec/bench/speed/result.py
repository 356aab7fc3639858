"""Results of a speed measurement: plain data, JSON on disk."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass
from pathlib import Path

FORMAT = "imfcodec-speed-1"


@dataclass(frozen=True)
class Stage:
    """One part of a command's work.

    Attributes:
        name: For people.
        ms_per_frame: Wall-clock milliseconds over the number of frames.
        network: Whether it is part of the neural network.
    """

    name: str
    ms_per_frame: float
    network: bool = False


@dataclass(frozen=True)
class SpeedRow:
    """One command, run once in a process of its own.

    Attributes:
        codec: For people, with its setting.
        ours: Whether it is this codec.
        task: "encode" or "decode".
        device: Torch device of the network; "cpu" for anchors.
        threads: Threads of network or encoder, and cores that the process may use.
        frames: That it processed.
        wall_s: Of the whole command: weights loaded, read, coded, written.
        rate_kbps: Of the coded clip.
        peak_memory_bytes: Largest resident set of the process.
        stages: Where the time went, in order; what they lack of ``wall_s`` is "other". Those of our
            decoder overlap, so that they may add up to more.
    """

    codec: str
    ours: bool
    task: str
    device: str
    threads: int
    frames: int
    wall_s: float
    rate_kbps: float
    peak_memory_bytes: int
    stages: tuple[Stage, ...]

    @property
    def fps(self) -> float:
        """Frames per second of the whole command."""
        return self.frames / self.wall_s

    @property
    def network_fps(self) -> float | None:
        """Frames per second of the network alone; None where there is none."""
        ms = sum(stage.ms_per_frame for stage in self.stages if stage.network)
        return 1000 / ms if ms else None

    @property
    def other_ms_per_frame(self) -> float:
        """What no stage accounts for: loading weights, opening and closing files."""
        stages = sum(stage.ms_per_frame for stage in self.stages)
        return max(0.0, 1000 * self.wall_s / self.frames - stages)


@dataclass(frozen=True)
class SpeedResult:
    """One run of the measurement.

    Attributes:
        clip: Name of the clip.
        width, height: Pixels as shown.
        frames: Of the clip.
        machine: In words.
        rows: One per command, device and number of threads.
    """

    clip: str
    width: int
    height: int
    frames: int
    machine: str
    rows: tuple[SpeedRow, ...]

    def save(self, path: Path) -> None:
        """Write JSON."""
        record = {"format": FORMAT, **dataclasses.asdict(self)}
        path.write_text(json.dumps(record, indent=1, allow_nan=False) + "\n")


@dataclass(frozen=True)
class Playing:
    """How `imfcodec decode` keeps up with a player.

    Attributes:
        fps: Of the command into mp4, from its start to its end.
        memory_bytes: Largest resident set of that command; 0 where it is not known.
        first_picture_s: From the start of the command to its first picture in a pipe.
        longest_gap_s: Between two pictures that a player takes from the pipe, each when it is due.
    """

    fps: float
    memory_bytes: int
    first_picture_s: float
    longest_gap_s: float


@dataclass(frozen=True)
class RealTime:
    """Whether the codec keeps up with a camera and a player on one clip.

    Attributes:
        clip: Name of the clip.
        width, height: Pixels as shown.
        frames: Of the clip.
        rate_fps: Frames per second of the clip.
        threads: Threads of network and x264, and cores that the processes may use.
        rate_kbps: Of the stream that is decoded.
        encode_fps: Of the command, from its start to its end, by preset.
        decoding: Of the stream, by engine.
        live_fps: Of an encoder with preset live, key frames included.
        longest_live_s: That it took for one frame, the first one left out.
        live_decoding: Of the stream that the live encoder wrote, by engine.
        x264_fps: Of x264 medium, encoding the same pictures.
    """

    clip: str
    width: int
    height: int
    frames: int
    rate_fps: float
    threads: int
    rate_kbps: float
    encode_fps: dict[str, float]
    decoding: dict[str, Playing]
    live_fps: float
    longest_live_s: float
    live_decoding: dict[str, Playing]
    x264_fps: float


HEADING = ("command", "device", "threads", "kbps", "frames/s", "network frames/s", "peak MiB")


def figures_of(row: SpeedRow) -> tuple[str, ...]:
    """The cells below `HEADING`."""
    return (
        f"{row.task} {row.codec}",
        row.device,
        str(row.threads),
        f"{row.rate_kbps:.2f}",
        f"{row.fps:.1f}",
        "–" if row.network_fps is None else f"{row.network_fps:.1f}",
        f"{row.peak_memory_bytes / 2**20:.0f}",
    )
