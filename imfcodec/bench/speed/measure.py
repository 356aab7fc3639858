"""Runs each command in a separate process, one at a time."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from imfcodec.bench.clip import Clip
from imfcodec.bench.codecs.anchors import svtav1, x264
from imfcodec.bench.environment import machine
from imfcodec.bench.speed.alone import alone
from imfcodec.bench.speed.commands import (
    AnchorCommand,
    OurCommand,
    decode_anchor,
    decode_ours,
    encode_anchor,
    encode_ours,
)
from imfcodec.bench.speed.result import SpeedResult, SpeedRow
from imfcodec.config import MAX_THREADS
from imfcodec.errors import OptionError


def measure_speed(
    clip: Path,
    *,
    weights: str | None = None,
    threads: Sequence[int] = (1, 2),
    device: str = "cpu",
    progress: Callable[[str], None] | None = None,
) -> SpeedResult:
    """Time encoding and decoding of a clip, ours and two anchors, for each number of threads.

    The anchors, x264 and SVT-AV1, run at the second lowest rate of their ladders.

    Args:
        clip: A video.
        weights: Of our network, as `EncodeOptions` takes them.
        threads: Each is measured: threads of the network or the anchor's encoder, and, where
            the operating system can do that, cores that the process may use.
        device: Torch device of our decoder.
        progress: Called with what is about to be measured.

    Raises:
        OptionError: No number of threads, or one below 1, or a device that does not exist.
        ImfcodecError: The clip cannot be read, the weights are missing, a codec failed.
    """
    if not threads or not all(1 <= count <= MAX_THREADS for count in threads):
        raise OptionError(f"speed is measured with 1 to {MAX_THREADS} threads, not {threads}")
    source, say = Clip.open(clip), progress or (lambda _: None)
    rows = tuple(row for count in threads for row in _rows(source, weights, device, count, say))
    return SpeedResult(source.name, source.width, source.height, source.frames, machine(), rows)


def _rows(
    clip: Clip, weights: str | None, device: str, threads: int, say: Callable[[str], None]
) -> Iterator[SpeedRow]:
    with tempfile.TemporaryDirectory() as folder:
        ours = OurCommand(clip, weights, device, threads, Path(folder))
        say(f"imfcodec encode, {threads} threads")
        yield alone(threads, encode_ours, ours)
        say(f"imfcodec decode, {device}, {threads} threads")
        yield alone(threads, decode_ours, ours)
    for codec in (x264(threads), svtav1(threads)):
        if codec.missing():
            continue
        with tempfile.TemporaryDirectory() as folder:
            anchor = AnchorCommand(clip, codec, codec.settings[1], threads, Path(folder))
            say(f"{codec.label}, {threads} threads")
            row, encoded = alone(threads, encode_anchor, anchor)
            yield row
            yield alone(threads, decode_anchor, anchor, encoded)
