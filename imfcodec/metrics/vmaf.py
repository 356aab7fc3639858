"""VMAF (model vmaf_v0.6.1) through the ffmpeg binary in the package imageio-ffmpeg.

The model was made for 1080p on a living-room screen. For small pictures it can rank codecs, but
its absolute value means little. Only the luma is scored.
"""

from __future__ import annotations

import json
import subprocess
import tempfile
from contextlib import suppress
from fractions import Fraction
from functools import cache
from pathlib import Path
from types import TracebackType
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from imfcodec.arrays import Picture
from imfcodec.errors import OptionError
from imfcodec.media.ffmpeg_binary import ffmpeg_binary
from imfcodec.metrics.stacked import PIXEL_FORMAT, StackedPairs

MIN_SIDE: Final = 17
"""Pixels on each side: libvmaf's widest window; it crashes on less."""

_LOG: Final = "vmaf.json"


@cache
def vmaf_missing() -> str | None:
    """The reason why VMAF cannot be measured here; None if it can."""
    try:
        listed = subprocess.run(
            [ffmpeg_binary("VMAF"), "-hide_banner", "-filters"],
            capture_output=True,
            text=True,
            check=True,
        ).stdout
    except OptionError as error:
        return str(error)
    except (OSError, subprocess.CalledProcessError) as error:
        return f"the ffmpeg binary of imageio-ffmpeg does not run: {error}"
    if " libvmaf " in listed:
        return None
    return "the ffmpeg binary of imageio-ffmpeg is built without libvmaf"


class Vmaf:
    """VMAF of a video pair, streamed to a separate process; use as a context manager.

    Only the scores are written to disk, and only a few frames are in memory at a time.
    """

    def __init__(self, width: int, height: int, rate: Fraction) -> None:
        """Start the process.

        Args:
            width: Of the pictures, pixels.
            height: The same.
            rate: Frames per second.

        Raises:
            OptionError: VMAF cannot be measured here.
            ValueError: The pictures are below `MIN_SIDE`.
        """
        if min(width, height) < MIN_SIDE:
            raise ValueError(f"VMAF needs {MIN_SIDE} pixels on each side, not {width}x{height}")
        reason = vmaf_missing()
        if reason:
            raise OptionError(f"VMAF cannot be measured: {reason}")
        self._pairs = StackedPairs(width, height, rate)
        self._folder = tempfile.TemporaryDirectory(prefix="imfcodec-vmaf-")
        graph = (
            f"[0:v]split[a][b];[a]crop={width}:{height}:0:0[source];"
            f"[b]crop={width}:{height}:0:{height}[coded];"
            f"[coded][source]libvmaf=log_fmt=json:log_path={_LOG}:n_threads=1"
        )
        options = {
            "-f": "rawvideo",
            "-pixel_format": PIXEL_FORMAT,
            "-video_size": f"{width}x{2 * height}",
            "-framerate": str(rate),
            "-i": "pipe:0",
            "-filter_complex_threads": "1",
            "-filter_complex": graph,
        }
        words = [word for option in options.items() for word in option]
        self._process = subprocess.Popen(
            [ffmpeg_binary("VMAF"), "-v", "error", "-nostdin", *words, "-f", "null", "-"],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            cwd=self._folder.name,  # a path inside the graph's text would need escaping
        )

    def add(self, source: Picture, coded: Picture) -> None:
        """Take the next frame.

        Args:
            source: uint8 RGB [H, W, 3] of the size given at the start.
            coded: The same.

        Raises:
            ValueError: The pictures are no such pictures.
            OptionError: The process ended early.
        """
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(self._pairs.frame(source, coded).to_ndarray().tobytes())
        except BrokenPipeError as error:
            raise OptionError(f"VMAF failed: {self._last_words()}") from error

    def finish(self) -> npt.NDArray[np.float64]:
        """End the process.

        Returns:
            VMAF of every frame, 0..100, float64 [T].

        Raises:
            OptionError: It failed.
        """
        words = self._last_words()
        if self._process.returncode:
            raise OptionError(f"VMAF failed: {words}")
        log: dict[str, Any] = json.loads((Path(self._folder.name) / _LOG).read_text())
        return np.array([frame["metrics"]["vmaf"] for frame in log["frames"]], np.float64)

    def __enter__(self) -> Vmaf:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Stop the process, finished or not, and remove its folder."""
        self._process.kill()
        for pipe in (self._process.stdin, self._process.stderr):
            if pipe is not None:
                with suppress(OSError):  # what is still buffered has no reader
                    pipe.close()
        self._process.wait()
        self._folder.cleanup()

    def _last_words(self) -> str:
        """Let the process end; return its error message."""
        _, complaint = self._process.communicate()
        return complaint.decode(errors="replace").strip() or f"exit {self._process.returncode}"
