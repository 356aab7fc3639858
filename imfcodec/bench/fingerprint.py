"""Digests of everything that a value depends on: the keys of the cache.

The package's version alone is not enough: the code changes between releases while the version does
not, and a stale value looks like any other.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import av

import imfcodec
from imfcodec.bench.environment import library_versions
from imfcodec.bench.results import REGIONS
from imfcodec.errors import InputUnreadable
from imfcodec.media.faces import YUNET

if TYPE_CHECKING:
    from imfcodec.bench.job import Job
    from imfcodec.bench.score_options import ScoreOptions

PACKAGE = Path(imfcodec.__file__).parent

_CODING_CODE = ("bench/codecs", "codec/pictures", "media")
_NOT_CODING_CODE = ("bench/codecs/imf.py", "bench/codecs/lineup.py")
"""Our own codec's version covers its code; the last one chooses."""
_METRIC_CODE = ("bench/meters.py", "bench/scoring.py", "metrics", "media")
_NOT_METRIC_CODE = ("metrics/bd_rate.py",)
"""What is made of points after they are measured."""
_READING_CODE = ("bench/clip.py", "media")
_SHOWING_CODE = ("bench/report/media.py", "bench/report/gallery.py", "media")
_DRAWING_CODE = tuple(f"bench/report/{name}.py" for name in ("curves", "figures", "names", "theme"))

_DRAWING_LIBRARIES = ("matplotlib", "numpy", "scipy")


def coding_digest(job: Job) -> str:
    """Of all that a coded clip depends on."""
    return digest([job.clip.sha256, job.setting, codec_digest(job.codec.name, job.version)])


def codec_digest(name: str, version: str) -> str:
    """Of all that a coded clip depends on besides source and setting."""
    code = code_digest(_CODING_CODE, _NOT_CODING_CODE)
    return digest([name, version, imfcodec.__version__, code])


def metric_digest(metric: str, options: ScoreOptions) -> str:
    """Of all that a metric of given pictures depends on.

    Raises:
        InputUnreadable: A model file of the options cannot be read.
    """
    recogniser = options.recogniser if metric == "identity" else None
    models = [
        _model_digest(YUNET) if needs_faces(metric) else None,
        _model_digest(recogniser) if recogniser else None,
    ]
    code = code_digest(_METRIC_CODE, _NOT_METRIC_CODE)
    versions = sorted(library_versions().items())
    return digest([metric, models, imfcodec.__version__, code, versions])


def needs_faces(metric: str) -> bool:
    """Whether a metric depends on the face detector."""
    return metric.startswith((*REGIONS, "identity"))


def reading_digest(sha256: str) -> str:
    """Of all that the frames of a file with this sha256 depend on, and their number and rate."""
    return digest([sha256, av.__version__, code_digest(_READING_CODE)])


def showing_digest() -> str:
    """Of all that videos and stills of the page depend on besides the decoded frames."""
    return digest([av.__version__, code_digest(_SHOWING_CODE)])


def drawing_digest() -> str:
    """Of all that figures depend on besides the points in them."""
    versions = []
    for name in _DRAWING_LIBRARIES:
        with suppress(importlib.metadata.PackageNotFoundError):
            versions.append(importlib.metadata.version(name))
    return digest([versions, code_digest(_DRAWING_CODE)])


def bytes_digest(data: bytes) -> str:
    """sha256, hexadecimal."""
    return hashlib.sha256(data).hexdigest()


def digest(parts: object) -> str:
    """sha256, hexadecimal, of anything that JSON can hold."""
    return bytes_digest(json.dumps(parts).encode())


@cache
def code_digest(parts: tuple[str, ...], without: tuple[str, ...] = ()) -> str:
    """sha256 over names and contents of files of the package, and of the folders' Python files."""
    paths = [PACKAGE / part for part in parts]
    files = {file for path in paths for file in (path.rglob("*.py") if path.is_dir() else [path])}
    digest = hashlib.sha256()
    for file in sorted(files - {PACKAGE / name for name in without}):
        digest.update(f"{file.relative_to(PACKAGE).as_posix()}\0".encode())
        digest.update(file.read_bytes() + b"\0")
    return digest.hexdigest()


def file_digest(path: Path) -> str:
    """sha256, hexadecimal.

    Raises:
        InputUnreadable: The file cannot be read.
    """
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise InputUnreadable(f"{path}: {error.strerror or error}") from error


_model_digest = cache(file_digest)
"""Models are large, and do not change while a run lasts."""
