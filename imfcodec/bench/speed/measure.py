"""Runs each command in a separate process, one at a time."""

from __future__ import annotations

import multiprocessing
import os
import tempfile
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from typing import ParamSpec, TypeVar

from imfcodec.bench.clip import Clip
from imfcodec.bench.codecs.anchors import svtav1, x264
from imfcodec.bench.environment import machine
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
from imfcodec.errors import ImfcodecError, OptionError

_P = ParamSpec("_P")
_T = TypeVar("_T")


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
        yield _alone(threads, encode_ours, ours)
        say(f"imfcodec decode, {device}, {threads} threads")
        yield _alone(threads, decode_ours, ours)
    for codec in (x264(threads), svtav1(threads)):
        if codec.missing():
            continue
        with tempfile.TemporaryDirectory() as folder:
            anchor = AnchorCommand(clip, codec, codec.settings[1], threads, Path(folder))
            say(f"{codec.label}, {threads} threads")
            row, encoded = _alone(threads, encode_anchor, anchor)
            yield row
            yield _alone(threads, decode_anchor, anchor, encoded)


def _alone(threads: int, run: Callable[_P, _T], *args: _P.args, **kwargs: _P.kwargs) -> _T:
    """Call a function in a new process: what others loaded and allocated is not in its figures.

    Spawned, not forked: torch's threads do not survive a fork.
    """
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, context, initializer=_settle, initargs=(threads,)) as pool:
        try:
            return pool.submit(run, *args, **kwargs).result()
        except BrokenProcessPool as error:
            raise ImfcodecError("a process that was being timed ended abruptly") from error


def _settle(threads: int) -> None:
    """Before anything starts threads, which inherit it."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:threads])
