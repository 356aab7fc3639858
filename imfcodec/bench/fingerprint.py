"""What a measured value depends on, as digests: the keys of the cache.

The package's version alone would not do: between two releases its code changes while the
version stands still, and a stale value looks like any other.
"""

from __future__ import annotations

import hashlib
import json
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import imfcodec
from imfcodec.bench.environment import library_versions
from imfcodec.bench.source_code import PACKAGE, source_digest
from imfcodec.errors import InputUnreadable

if TYPE_CHECKING:
    from imfcodec.bench.job import Job
    from imfcodec.bench.scoring import ScoreOptions

_CODING_CODE = ("bench/codecs", "keyframe", "video")
_NOT_CODING_CODE = ("bench/codecs/imf.py", "bench/codecs/lineup.py")
"""Our own codec's version covers its file and the rest of the package; the other one chooses."""
_METRIC_CODE = ("bench/meters.py", "bench/scoring.py", "metrics", "video")
_NOT_METRIC_CODE = ("metrics/bd_rate.py",)
"""What is made of points after they are measured."""

_NEEDS_FACES = ("eyes_", "mouth_", "identity")
_NEEDS_RECOGNISER = ("identity",)


def coding_digest(job: Job) -> str:
    """Of all that a coded clip depends on."""
    return _digest(
        [
            job.clip.sha256,
            job.codec.name,
            job.version,
            job.setting,
            imfcodec.__version__,
            _code(_CODING_CODE, _NOT_CODING_CODE),
        ]
    )


def metric_digest(metric: str, options: ScoreOptions) -> str:
    """Of all that a metric of given pictures depends on.

    Raises:
        InputUnreadable: A model file of the options cannot be read.
    """
    models = [
        _file_digest(path) if path and metric.startswith(prefixes) else None
        for path, prefixes in (
            (options.yunet, _NEEDS_FACES),
            (options.recogniser, _NEEDS_RECOGNISER),
        )
    ]
    versions = sorted(library_versions().items())
    return _digest(
        [metric, models, imfcodec.__version__, _code(_METRIC_CODE, _NOT_METRIC_CODE), versions]
    )


def bytes_digest(data: bytes) -> str:
    """sha256, hexadecimal."""
    return hashlib.sha256(data).hexdigest()


def _digest(parts: object) -> str:
    return bytes_digest(json.dumps(parts).encode())


@cache
def _code(parts: tuple[str, ...], without: tuple[str, ...] = ()) -> str:
    paths = [PACKAGE / part for part in parts]
    files = {file for path in paths for file in (path.rglob("*.py") if path.is_dir() else [path])}
    return source_digest(files - {PACKAGE / name for name in without})


@cache
def _file_digest(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise InputUnreadable(f"{path}: {error.strerror or error}") from error
