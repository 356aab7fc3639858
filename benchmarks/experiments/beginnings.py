"""The first seconds of a clip, for experiments."""

from __future__ import annotations

import subprocess
from pathlib import Path

from imageio_ffmpeg import get_ffmpeg_exe


def beginning_of(clip: Path, seconds: float, folder: str) -> Path:
    """Copy the first seconds of a clip, without sound, into a file in the folder."""
    target = Path(folder) / f"{clip.stem}.mkv"
    cut = [get_ffmpeg_exe(), "-v", "error", "-i", clip, "-t", str(seconds), "-c", "copy", "-an"]
    subprocess.run([*cut, target], check=True)
    return target
