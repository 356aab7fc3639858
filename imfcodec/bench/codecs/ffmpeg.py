"""Encoders that PyAV's build lacks, through the ffmpeg binary of imageio-ffmpeg.

    clip ─ Sampling ─ RGB to YUV ─ pipe ─ ffmpeg ─ elementary stream on disk
    elementary stream ─ ffmpeg ─ pipe ─ YUV to RGB ─ Sampling ─ frames

Colour is converted on this side of the pipe, as for every other codec, and pictures pass one at
a time: memory does not grow with the clip.
"""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO

import av
import numpy as np
from av import VideoFrame

from imfcodec.arrays import Picture
from imfcodec.bench.clip import Clip
from imfcodec.bench.codecs.anchor import Anchor
from imfcodec.bench.codecs.anchor_colour import YuvToRgb
from imfcodec.bench.codecs.codec import Encoded
from imfcodec.codec.pictures.obu import TEMPORAL_DELIMITER, split_units
from imfcodec.errors import ImfcodecError, InputUnreadable, OptionError, OutputFailed
from imfcodec.media.ffmpeg_binary import ffmpeg_binary

_TAGS = (
    *("-colorspace", "bt709", "-color_primaries", "bt709"),
    *("-color_trc", "bt709", "-color_range", "tv"),
)
_QUIETLY = ("-hide_banner", "-nostdin", "-loglevel", "error")
_COMPLAINT_LINES = 4
_COMPLAINT_BYTES = 4096

_START_CODE = re.compile(b"\x00\x00\x01")
_INTRA_TYPES = frozenset((7, 8, 9))
"""IDR_W_RADL, IDR_N_LP and CRA of H.266, table 5."""


@dataclass(frozen=True, kw_only=True)
class FfmpegAnchor(Anchor):
    """One of the binary's video encoders as a curve of the benchmark.

    Attributes:
        decoder: ffmpeg's name of it.
        ending: Of the file's name.
        pix_fmt: That the decoder delivers: "yuv420p" or "yuv420p10le".
    """

    decoder: str
    ending: str
    pix_fmt: str

    def missing(self) -> str | None:
        """Whether the binary, or a coder in it, is not there."""
        try:
            binary = _binary()
            for kind, coder in (("encoder", self.encoder), ("decoder", self.decoder)):
                if coder not in _coders(binary, kind):
                    return f"{Path(binary).name} has no {kind} {coder}"
        except (ImfcodecError, OSError) as error:
            return str(error)
        return None

    def version(self) -> str:
        """The binary's release and the encoder's options, or why there is none."""
        if missing := self.missing():
            return missing
        arguments = " ".join(self._arguments("*"))
        return f"{_release(_binary())}, {self.encoder} {arguments}{self.sampling.label}"

    def encode(self, clip: Clip, setting: str, folder: Path) -> Encoded:
        """Code a whole clip into ``folder``.

        Raises:
            OutputFailed: ffmpeg fails; the message ends with its last lines.
            OptionError: imageio-ffmpeg is not installed.
            UnsupportedVideo: The clip is not larger than the size to code at.
            InputUnreadable: The clip cannot be read.
        """
        path = folder / f"{self.name}-{setting}.{self.ending}"
        width, height = self.sampling.size(clip)
        rate = self.sampling.rate(clip)
        command = (
            *(_binary(), *_QUIETLY, "-y", "-f", "rawvideo"),
            *("-pix_fmt", "yuv420p", "-video_size", f"{width}x{height}"),
            *("-framerate", f"{rate.numerator}/{rate.denominator}", *_TAGS, "-i", "pipe:0"),
            *("-fps_mode", "passthrough", "-c:v", self.encoder, *self._arguments(setting)),
            *(*_TAGS, "-f", self.muxer, f"file:{path}"),
        )
        with _running(command, OutputFailed) as process:
            assert process.stdin is not None
            for frame in self._frames(clip):
                process.stdin.write(frame.to_ndarray().tobytes())
            process.stdin.close()
        return Encoded(path, *(_count_vvc(path) if self.muxer == "vvc" else _count_av1(path)))

    def _arguments(self, setting: str) -> list[str]:
        options = {"threads": str(self.threads), **self.options_at(setting)}
        return [word for name, value in options.items() for word in (f"-{name}", value)]

    def _pictures(self, path: Path, clip: Clip) -> Iterator[Picture]:
        width, height = self.sampling.size(clip)
        command = (
            *(_binary(), *_QUIETLY, "-threads", str(self.threads)),
            *("-c:v", self.decoder, "-f", self.muxer),
            *("-i", f"file:{path}", "-fps_mode", "passthrough"),
            *("-pix_fmt", self.pix_fmt, "-f", "rawvideo", "pipe:1"),
        )
        shape = (height * 3 // 2, width)
        sample = np.dtype(np.uint8 if self.pix_fmt == "yuv420p" else np.uint16)
        size_bytes = shape[0] * shape[1] * sample.itemsize
        to_rgb = YuvToRgb(width, height, self.pix_fmt)
        with _running(command, InputUnreadable) as process:
            assert process.stdout is not None
            while len(data := process.stdout.read(size_bytes)) == size_bytes:
                samples = np.frombuffer(data, sample).reshape(shape)
                yield to_rgb.convert(VideoFrame.from_ndarray(samples, format=self.pix_fmt))
        if data:
            raise InputUnreadable(f"{path}: its last picture is cut, or not {width}x{height}")


def _count_vvc(path: Path) -> tuple[int, int]:
    """Bytes that count, which are all, as there is no container, and key frames."""
    data = path.read_bytes()
    types = [data[start.end() + 1] >> 3 for start in _START_CODE.finditer(data)]
    return len(data), sum(kind in _INTRA_TYPES for kind in types)


def _count_av1(path: Path) -> tuple[int, int]:
    """Bytes but those of temporal delimiters, which MP4 and Matroska leave out, and key frames."""
    units = split_units(path.read_bytes())
    size_bytes = sum(len(unit) for kind, unit in units if kind != TEMPORAL_DELIMITER)
    with av.open(str(path), format="obu") as file:
        return size_bytes, sum(packet.is_keyframe for packet in file.demux(video=0))


def _binary() -> str:
    return ffmpeg_binary("this codec")


@cache
def _coders(binary: str, kind: str) -> frozenset[str]:
    """Names of the binary's coders of one kind, "encoder" or "decoder"."""
    lines = _output(binary, f"-{kind}s").splitlines()
    return frozenset(line.split()[1] for line in lines if len(line.split()) > 1)


@cache
def _release(binary: str) -> str:
    """`ffmpeg n9.0.2-17-g2a571b6068-20260930`."""
    return " ".join(_output(binary, "-version").split()[:3:2])


def _output(binary: str, argument: str) -> str:
    command = [binary, "-hide_banner", argument]
    done = subprocess.run(
        command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise OptionError(f"{binary} does not run: {done.stderr.strip()[-200:]}")
    return done.stdout


@contextmanager
def _running(
    command: tuple[str, ...], failure: type[ImfcodecError]
) -> Iterator[subprocess.Popen[bytes]]:
    """Run ffmpeg with pipes at both ends, not beyond the block; ``failure`` if it gives up."""
    # Complaints go to a file: nobody empties a third pipe, and a full one would block it.
    with TemporaryFile() as complaints:
        process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=complaints
        )
        try:
            with suppress(BrokenPipeError):  # it died: its exit code and complaints say why
                yield process
            code = process.wait()
        finally:
            process.kill()
            for pipe in (process.stdin, process.stdout):
                if pipe is not None:
                    with suppress(OSError):
                        pipe.close()
            process.wait()
        if code:
            raise failure(f"{Path(command[0]).name} exits with {code}: {_last_lines(complaints)}")


def _last_lines(file: IO[bytes]) -> str:
    size_bytes = file.seek(0, 2)
    file.seek(max(0, size_bytes - _COMPLAINT_BYTES))
    lines = file.read().decode(errors="replace").strip().splitlines()
    return " | ".join(lines[-_COMPLAINT_LINES:]) or "no message"
