"""Videos and photographs among files and in folders."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from imfcodec.errors import InputUnreadable, OptionError

SUFFIXES = frozenset([".3g2", ".3gp", ".apng", ".asf", ".avi", ".dv", ".flv", ".gif", ".ivf"])
SUFFIXES |= {".m2ts", ".m2v", ".m4v", ".mkv", ".mov", ".mp4", ".mpeg", ".mpg", ".mts", ".mxf"}
SUFFIXES |= {".nut", ".ogv", ".ts", ".vob", ".webm", ".wmv", ".y4m"}
"""What is taken for a video inside of a folder; a file named by the user may be called anything."""

PHOTO_SUFFIXES = frozenset([".bmp", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp"])
"""What is taken for a photograph inside of a folder of photographs."""


@dataclass(frozen=True)
class Source:
    """One file.

    Attributes:
        name: path below the folder that was given, or the file's own name, with "/": stays the
            same wherever the data lie, so that split and resumption do.
        path: where the file is.
        size_bytes: of the file.
        photo: whether it is a photograph and not a video.
    """

    name: str
    path: Path
    size_bytes: int
    photo: bool = False


def find_sources(paths: Iterable[Path], photos: Iterable[Path] = ()) -> list[Source]:
    """Files, and in folders those with a known suffix at any depth; not what is hidden there.

    Sorted by name; a file that is reached twice is listed once.

    Raises:
        InputUnreadable: a path does not exist, or there is nothing where videos or photographs
            were to be.
        OptionError: two files would have one name, or one is named as both.
    """
    sources = _find(list(paths), photo=False)
    if photos := list(photos):
        videos = {source.path.resolve() for source in sources}
        sources += _find(photos, photo=True)
        if both := [s.path for s in sources if s.photo and s.path.resolve() in videos]:
            raise OptionError(f"{both[0]} is named as a video and as a photograph")
    sources.sort(key=lambda source: source.name)
    for one, other in pairwise(sources):
        if one.name == other.name:
            raise OptionError(
                f"{one.path} and {other.path} are both called {one.name}: "
                "name the folder that holds both"
            )
    return sources


def _find(paths: list[Path], photo: bool) -> list[Source]:
    found: dict[Path, Source] = {}
    for path in paths:
        if not path.exists():
            raise InputUnreadable(f"{path}: no such file or folder")
        suffixes = PHOTO_SUFFIXES if photo else SUFFIXES
        for file in _files_below(path, suffixes) if path.is_dir() else [path]:
            name = file.relative_to(path).as_posix() if path.is_dir() else file.name
            found.setdefault(file.resolve(), Source(name, file, file.stat().st_size, photo))
    if not found:
        kind = "photograph" if photo else "video"
        raise InputUnreadable(f"there is no {kind} in {', '.join(map(str, paths))}")
    return list(found.values())


def _files_below(folder: Path, suffixes: frozenset[str]) -> list[Path]:
    found = []
    for where, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".")]  # not entered
        paths = (Path(where, name) for name in names if not name.startswith("."))
        found += [path for path in paths if path.suffix.lower() in suffixes and path.is_file()]
    return found
