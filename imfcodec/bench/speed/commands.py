"""The commands that are timed; each is called once, in a separate process.

Our commands are the functions that `imfcodec encode` and `imfcodec decode` call. An anchor is
encoded by its benchmark codec and decoded into the same kind of file as ours.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from fractions import Fraction
from itertools import chain, islice
from pathlib import Path

from imfcodec.arrays import Picture
from imfcodec.bench.clip import Clip, timed
from imfcodec.bench.codecs.codec import Codec, Encoded
from imfcodec.bench.codecs.pyav import PyAvAnchor
from imfcodec.bench.speed.memory import peak_memory_bytes
from imfcodec.bench.speed.network_parts import PARTS, timed_parts
from imfcodec.bench.speed.result import SpeedRow, Stage
from imfcodec.bitstream.rate import rate_kbps
from imfcodec.codec.network import TORCH
from imfcodec.codec.stages import StageTimes
from imfcodec.config import DecodeOptions, EncodeOptions
from imfcodec.media import MediaWriter
from imfcodec.receiver.decode import decode
from imfcodec.receiver.report import DecodeReport
from imfcodec.sender import encode
from imfcodec.sender.report import EncodeReport

WARM_UP_FRAMES = 16
"""Two batches of the network: enough for its memory and its kernels to be in place."""


@dataclass(frozen=True)
class OurCommand:
    """imfcodec on one clip.

    Attributes:
        clip: What to code.
        weights: As `EncodeOptions` takes them.
        device: Of the decoder; the encoder runs on the processor.
        threads: Of torch.
        folder: Where the files of this command lie.
    """

    clip: Clip
    weights: str | None
    device: str
    threads: int
    folder: Path

    @property
    def stream(self) -> Path:
        """The .imf file."""
        return self.folder / "clip.imf"

    @property
    def warm_up(self) -> Path:
        """The .imf file of the first few frames."""
        return self.folder / "warm-up.imf"


@dataclass(frozen=True)
class AnchorCommand:
    """Another codec on one clip; ``threads`` are those that ``codec`` was made with."""

    clip: Clip
    codec: Codec
    setting: str
    threads: int
    folder: Path


def encode_ours(command: OurCommand) -> SpeedRow:
    """`imfcodec encode`."""
    options = EncodeOptions(
        weights=command.weights,
        mode="imf",  # plain AV1 would not show what the network takes
        audio="none",
        threads=command.threads,
        overwrite=True,
    )
    encode(_first_frames(command.clip, command.folder), command.warm_up, options)
    report = encode(command.clip.path, command.stream, options)
    stages = tuple(
        Stage(name, ms / report.frames, name == "token encoder")
        for name, ms in report.stages.milliseconds.items()
    )
    return _our_row(report, "encode", "cpu", command.threads, stages)


def decode_ours(command: OurCommand) -> SpeedRow:
    """`imfcodec decode` of what `encode_ours` wrote."""
    options = DecodeOptions(
        engine=TORCH, device=command.device, threads=command.threads, overwrite=True
    )
    target = command.folder / "decoded.mp4"
    decode(command.warm_up, target, options)
    with timed_parts(command.device) as parts:
        report = decode(command.stream, target, options)
    stages = tuple(_decode_stages(report.stages, parts, report.frames))
    return _our_row(report, "decode", command.device, command.threads, stages)


def encode_anchor(command: AnchorCommand) -> tuple[SpeedRow, Encoded]:
    """An anchor's encoder, reading the clip included; also where its file lies."""
    warm_up = Clip.open(_first_frames(command.clip, command.folder))
    with tempfile.TemporaryDirectory() as folder:
        _encode(command.codec, warm_up, command.setting, Path(folder))
    times, begun = StageTimes(), time.perf_counter()
    with times.timed("read and encode"):
        encoded = _encode(command.codec, command.clip, command.setting, command.folder)
    return _anchor_row(command, encoded, "encode", begun, times), encoded


def decode_anchor(command: AnchorCommand, encoded: Encoded) -> SpeedRow:
    """An anchor's decoder and the writing of its pictures."""
    clip, target = command.clip, command.folder / "decoded.mp4"
    warm_up = islice(command.codec.decode(encoded, clip), WARM_UP_FRAMES)
    _write(target, warm_up, clip.rate, StageTimes())
    times, begun = StageTimes(), time.perf_counter()
    _write(target, command.codec.decode(encoded, clip), clip.rate, times)
    return _anchor_row(command, encoded, "decode", begun, times)


def _encode(codec: Codec, clip: Clip, setting: str, folder: Path) -> Encoded:
    """In this process: its memory is measured, and the start of another one is not timed."""
    if isinstance(codec, PyAvAnchor):
        return codec.encode_here(clip, setting, folder)
    return codec.encode(clip, setting, folder)


def _decode_stages(stages: StageTimes, parts: StageTimes, frames: int) -> Iterator[Stage]:
    """The decoder's own stages, its network taken apart."""
    for name, ms in stages.milliseconds.items():
        if name == "restoration":
            continue  # one of the parts
        if name != "network":
            yield Stage(name, ms / frames)
            continue
        inside = {part: parts.milliseconds.get(part, 0.0) for part in PARTS}
        for part, part_ms in inside.items():
            yield Stage(part, part_ms / frames, network=True)
        # Keys and values of the attention, resizing, and pictures to and from tensors.
        rest = max(0.0, ms - sum(t for part, t in inside.items() if part != "restoration"))
        yield Stage("rest of the network", rest / frames, network=True)


def _our_row(
    report: EncodeReport | DecodeReport,
    task: str,
    device: str,
    threads: int,
    stages: tuple[Stage, ...],
) -> SpeedRow:
    return SpeedRow(
        f"imfcodec {report.weights}",
        True,
        task,
        device,
        threads,
        report.frames,
        report.wall_s,
        report.rate_kbps,
        peak_memory_bytes(),
        stages,
    )


def _anchor_row(
    command: AnchorCommand, encoded: Encoded, task: str, begun: float, times: StageTimes
) -> SpeedRow:
    wall_s, clip = time.perf_counter() - begun, command.clip
    return SpeedRow(
        f"{command.codec.label}, {command.setting}",
        False,
        task,
        "cpu",
        command.threads,
        clip.frames,
        wall_s,
        rate_kbps(encoded.size_bytes, 0, clip.duration_s),
        peak_memory_bytes(),
        tuple(Stage(name, ms / clip.frames) for name, ms in times.milliseconds.items()),
    )


def _first_frames(clip: Clip, folder: Path) -> Path:
    """A short clip for the warm-up."""
    path = folder / "warm-up.mkv"
    _write(path, islice(clip.pictures(), WARM_UP_FRAMES), clip.rate, StageTimes())
    return path


def _write(path: Path, pictures: Iterator[Picture], rate: Fraction, times: StageTimes) -> None:
    """Write pictures as `imfcodec decode` would, with the time of getting them kept apart."""
    pictures = timed(pictures, times, "decode")
    first = next(pictures)
    height, width = first.shape[:2]
    with ExitStack() as stack:
        with times.timed("write"):
            writer = MediaWriter(
                path, width=width, height=height, time_base=1 / rate, rate=rate, overwrite=True
            )
            stack.enter_context(writer)
        for pts, picture in enumerate(chain([first], pictures)):
            with times.timed("write"):
                writer.write(pts, picture)
        with times.timed("write"):
            stack.close()
