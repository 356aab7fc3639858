"""The environment of a benchmark: machine, commit, versions."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import subprocess
from contextlib import suppress
from functools import cache
from pathlib import Path

import imfcodec

_DISTRIBUTIONS = (
    "av",
    "constriction",
    "imageio-ffmpeg",
    "lpips",
    "numpy",
    "opencv-python-headless",
    "pytorch-msssim",
    "scikit-image",
    "scipy",
    "torch",
    "torchvision",
)
"""Those that touch a measured value."""


def machine() -> str:
    """Processor, cores, memory and operating system, in words."""
    parts = [_processor(), f"{os.cpu_count()} cores"]
    with suppress(AttributeError, ValueError, OSError):
        memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
        parts.append(f"{memory / 2**30:.0f} GiB")
    parts.append(f"{platform.system()} {platform.machine()}, Python {platform.python_version()}")
    return ", ".join(parts)


def commit(folder: Path | None = None) -> str | None:
    """The commit that the running code was checked out from.

    Args:
        folder: Of the code; this package's own without it.

    Returns:
        The hash, followed by "-dirty" if tracked or new files differ; None outside a checkout, and
        for a package that only lies inside another checkout.
    """
    folder = folder or Path(imfcodec.__file__).parent
    if _git(folder, "ls-files", "--error-unmatch", "__init__.py") is None:
        return None
    head = _git(folder, "rev-parse", "HEAD")
    return f"{head}-dirty" if head and _git(folder, "status", "--porcelain", ".") else head


@cache
def library_versions() -> dict[str, str]:
    """Versions of what is installed, by name: Python packages, libav's parts, the ffmpeg binary."""
    import av

    versions = {"imfcodec": imfcodec.__version__}
    for name in _DISTRIBUTIONS:
        with suppress(importlib.metadata.PackageNotFoundError):
            versions[name] = importlib.metadata.version(name)
    for name, numbers in sorted(av.library_versions.items()):
        versions[name] = ".".join(map(str, numbers))
    with suppress(ImportError, RuntimeError, OSError, subprocess.SubprocessError):
        import imageio_ffmpeg

        versions["ffmpeg binary"] = str(imageio_ffmpeg.get_ffmpeg_version())
    return versions


def _processor() -> str:
    with suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def _git(folder: Path, *args: str) -> str | None:
    command = ["git", "-C", str(folder), *args]
    with suppress(OSError, subprocess.SubprocessError):
        done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=True)
        return done.stdout.strip()
    return None
