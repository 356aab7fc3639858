"""Whether the codec keeps up with a camera and a player.

Commands run as users run them, in processes of their own, on as many cores as threads. The player
reads the pictures of `imfcodec decode` from a pipe, each one when it is due.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import IO, Final

import numpy as np

from imfcodec.bench.clip import Clip
from imfcodec.bench.codecs.anchors import x264
from imfcodec.bench.speed.alone import alone
from imfcodec.bench.speed.memory import peak_memory_of
from imfcodec.bench.speed.result import Playing, RealTime
from imfcodec.codec.network import EXPORTED, MODULES, TORCH
from imfcodec.config import DecodeOptions, EncodeOptions
from imfcodec.errors import ImfcodecError
from imfcodec.receiver.inspection import inspect
from imfcodec.sender.encoder import Encoder
from imfcodec.weights import load_weights

LOOK_S: Final = 0.05
"""Time between two looks at the memory of a process."""

PRESETS: Final = ("fast", "default")
"""Presets whose encoding is timed. The stream of the first one is decoded; those of slower ones
take as long to decode."""

LIVE: Final = "live"

X264_SETTING: Final = "crf16"
"""As fine as `decode` writes."""

Players = dict[str, dict[str, DecodeOptions]]
"""How each engine decodes the stream of each preset."""


def measure_real_time(
    clips: Sequence[Path],
    *,
    weights: str | None = None,
    threads: int = 2,
    device: str = "cpu",
    progress: Callable[[str], None] | None = None,
) -> list[RealTime]:
    """Measure each clip: encoding, decoding in each engine, both live, and x264 beside them.

    Args:
        clips: Videos.
        weights: Of the network, as `EncodeOptions` takes them.
        threads: Threads of the network and of x264, and cores that the processes may use.
        device: Torch device of the network.
        progress: Called with what is about to be measured.

    Raises:
        ImfcodecError: A clip cannot be read, the weights are missing, a command failed.
    """
    say = progress or (lambda _: None)
    opened = [Clip.open(path) for path in clips]
    player = DecodeOptions(engine=TORCH, device=device, threads=threads)
    players = {TORCH: dict.fromkeys((PRESETS[0], LIVE), player)}
    with tempfile.TemporaryDirectory() as folder:
        installed = [engine for engine in EXPORTED if find_spec(MODULES[engine])]
        for engine in installed if device == "cpu" and find_spec("onnx") else ():
            say(f"export to {engine}")
            exported = alone(threads, _exported, weights, Path(folder), engine)
            players[engine] = {
                preset: replace(player, engine=engine, weights=path)
                for preset, path in exported.items()
            }
        return [_measure(clip, weights, threads, device, players, say) for clip in opened]


def _measure(
    clip: Clip,
    weights: str | None,
    threads: int,
    device: str,
    players: Players,
    say: Callable[[str], None],
) -> RealTime:
    with tempfile.TemporaryDirectory() as name:
        streams = {preset: Path(name) / f"{preset}.imf" for preset in (*PRESETS, LIVE)}
        say(f"{clip.name}: encode")
        encode_fps = {
            preset: alone(threads, _encode, clip, streams[preset], preset, weights, threads, device)
            for preset in PRESETS
        }
        say(f"{clip.name}: live")
        live_fps, longest_s = alone(threads, _encode_live, clip, streams[LIVE], weights, threads)
        say(f"{clip.name}: decode")
        decoding, live_decoding = (
            {
                engine: _playing(clip, streams[preset], options[preset])
                for engine, options in players.items()
            }
            for preset in (PRESETS[0], LIVE)
        )
        rate_kbps = inspect(streams[PRESETS[0]]).rate_kbps
    say(f"{clip.name}: x264")
    return RealTime(
        clip.name,
        clip.width,
        clip.height,
        clip.frames,
        float(clip.rate),
        threads,
        rate_kbps,
        encode_fps,
        decoding,
        live_fps,
        longest_s,
        live_decoding,
        alone(threads, _x264_fps, clip, threads),
    )


def _encode(
    clip: Clip, stream: Path, preset: str, weights: str | None, threads: int, device: str
) -> float:
    """Frames per second of the whole command that writes a stream."""
    command = [sys.executable, "-m", "imfcodec", "encode", str(clip.path), str(stream), "--quiet"]
    command += ["--preset", preset, "--audio", "none"]
    command += ["--threads", str(threads), "--device", device]
    if weights:
        command += ["--weights", weights]
    begun = time.perf_counter()
    with subprocess.Popen(command, stderr=subprocess.PIPE) as process:
        process.wait()
        wall_s = time.perf_counter() - begun
        _check(process)
    return clip.frames / wall_s


def _exported(weights: str | None, folder: Path, engine: str) -> dict[str, str]:
    """Write the graphs of each stream's weights for an engine; where they are."""
    from imfcodec.codec.network.export import export

    return {
        preset: str(export(load_weights(weights, preset), folder / preset, engine).path)
        for preset in (PRESETS[0], LIVE)
    }


def _playing(clip: Clip, stream: Path, options: DecodeOptions) -> Playing:
    """Decode a stream of the clip twice: into a file, and for a player."""
    threads, video = options.threads or 1, stream.with_suffix(".mp4")
    decode_s, memory_bytes = alone(threads, _decode, stream, video, options)
    first_s, gap_s = alone(threads, _play, clip, stream, options)
    video.unlink()
    return Playing(clip.frames / decode_s, memory_bytes, first_s, gap_s)


def _decode(stream: Path, target: Path, options: DecodeOptions) -> tuple[float, int]:
    """Seconds of the whole command, and its largest resident set in bytes."""
    begun = time.perf_counter()
    with _decoding(stream, str(target), options) as process:
        memory_bytes = 0
        while process.poll() is None:
            memory_bytes = max(memory_bytes, peak_memory_of(process.pid))
            time.sleep(LOOK_S)
        wall_s = time.perf_counter() - begun
        _check(process)
    return wall_s, memory_bytes


def _play(clip: Clip, stream: Path, options: DecodeOptions) -> tuple[float, float]:
    """Seconds from the start of the command to the first picture, and between two at most."""
    begun = time.perf_counter()
    shown: list[float] = []
    size_bytes = clip.width * clip.height * 3
    with _decoding(stream, "-", options, "--format", "rgb") as process:
        assert process.stdout is not None
        for n in range(clip.frames):
            if shown:
                time.sleep(max(0.0, shown[0] + n / float(clip.rate) - time.perf_counter()))
            if not _skip(process.stdout, size_bytes):
                break
            shown.append(time.perf_counter())
        process.wait()
        _check(process)
    if len(shown) < 2:
        raise ImfcodecError(f"{clip.name}: decode gave {len(shown)} pictures")
    return shown[0] - begun, float(np.diff(shown).max())


def _skip(file: IO[bytes], size_bytes: int) -> bool:
    """Read so many bytes; whether they came."""
    while size_bytes and (data := file.read(min(size_bytes, 1 << 16))):
        size_bytes -= len(data)
    return not size_bytes


def _decoding(
    stream: Path, target: str, options: DecodeOptions, *words: str
) -> subprocess.Popen[bytes]:
    """The command, running."""
    command = [sys.executable, "-m", "imfcodec", "decode", str(stream), target, "--quiet", *words]
    command += ["--threads", str(options.threads), "--device", options.device]
    command += ["--engine", options.engine]
    if options.weights:
        command += ["--weights", options.weights]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def _check(process: subprocess.Popen[bytes]) -> None:
    """Raise what a command that has ended says of its failure."""
    if process.returncode:
        assert process.stderr is not None
        raise ImfcodecError(process.stderr.read().decode(errors="replace").strip())


def _encode_live(
    clip: Clip, stream: Path, weights: str | None, threads: int
) -> tuple[float, float]:
    """Frames per second of a live encoder, and the longest time of a frame after the first."""
    options = EncodeOptions(weights=weights, preset=LIVE, audio="none", threads=threads)
    times_s: list[float] = []
    with Encoder(
        stream, width=clip.width, height=clip.height, fps=clip.rate, options=options
    ) as encoder:
        for picture in clip.pictures():
            begun = time.perf_counter()
            encoder.write(picture)
            times_s.append(time.perf_counter() - begun)
    return len(times_s) / sum(times_s), max(times_s[1:])


def _x264_fps(clip: Clip, threads: int) -> float:
    """Frames per second of x264 at its preset medium, which reads the clip as well."""
    with tempfile.TemporaryDirectory() as folder:
        begun = time.perf_counter()
        x264(threads, preset="medium").encode_here(clip, X264_SETTING, Path(folder))
        return clip.frames / (time.perf_counter() - begun)
