"""The videos to prepare."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from imfcodec.errors import InputUnreadable, OptionError

SUFFIXES = frozenset(
    [
        ".3gp",
        ".asf",
        ".avi",
        ".dv",
        ".flv",
        ".gif",
        ".ivf",
        ".m2ts",
        ".m4v",
        ".mkv",
        ".mov",
        ".mp4",
        ".mpeg",
        ".mpg",
        ".mts",
        ".mxf",
        ".nut",
        ".ogv",
        ".ts",
        ".webm",
        ".wmv",
        ".y4m",
    ]
)
"""What is taken for a video inside of a folder; a file named by the user may be called anything."""


@dataclass(frozen=True)
class Source:
    """One video file.

    Attributes:
        name: path below the folder that was given, or the file's own name, with "/": stays the
            same wherever the data lie, so that split and resumption do.
        path: where the file is.
        size_bytes: of the file.
    """

    name: str
    path: Path
    size_bytes: int


def find_sources(paths: Iterable[Path]) -> list[Source]:
    """Videos among files and, at any depth, in folders; hidden ones in folders are left out.

    Args:
        paths: files and folders.

    Returns:
        Sorted by name; a file that is reached twice is listed once.

    Raises:
        InputUnreadable: a path does not exist, or there is no video at all.
        OptionError: two videos would have one name.
    """
    paths = list(paths)
    found: dict[Path, Source] = {}
    for path in paths:
        if not path.exists():
            raise InputUnreadable(f"{path}: no such file or folder")
        for file in _videos_below(path) if path.is_dir() else [path]:
            name = file.relative_to(path).as_posix() if path.is_dir() else file.name
            found.setdefault(file.resolve(), Source(name, file, file.stat().st_size))
    if not found:
        raise InputUnreadable(f"there is no video in {', '.join(map(str, paths))}")
    sources = sorted(found.values(), key=lambda source: source.name)
    for one, other in pairwise(sources):
        if one.name == other.name:
            raise OptionError(
                f"{one.path} and {other.path} are both called {one.name}: "
                "name the folder that holds both"
            )
    return sources


def _videos_below(folder: Path) -> list[Path]:
    found = []
    for where, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".")]  # not entered
        paths = (Path(where, name) for name in names if not name.startswith("."))
        found += [path for path in paths if path.suffix.lower() in SUFFIXES and path.is_file()]
    return found
