"""The clips that a run measures."""

from __future__ import annotations

import csv
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from imfcodec.bench.clip import Clip
from imfcodec.bench.memo import Memo
from imfcodec.errors import UNUSABLE_VIDEO, ImfcodecError, InputUnreadable, OptionError
from imfcodec.sources import SUFFIXES, find_sources


@dataclass(frozen=True)
class UnusableClip:
    """A requested file that cannot be measured, and why; it stays in the results as failed."""

    path: Path
    error: ImfcodecError

    @property
    def name(self) -> str:
        """As `Clip.name`."""
        return self.path.stem


def find_clips(paths: Iterable[Path]) -> list[Path]:
    """Videos among files and, at any depth, in folders.

    Raises:
        InputUnreadable: A path does not exist, or there is no video at all.
        OptionError: Two videos have one name.
    """
    return [source.path for source in find_sources(paths)]


def read_manifest(manifest: Path, split: str | None = None) -> list[Path]:
    """Clips that a CSV file lists, in its order.

    Args:
        manifest: CSV file with the column ``clip``, and ``split`` if a split is requested. A clip
            is a path relative to the manifest's folder, or the name of a file anywhere below it,
            without its extension.
        split: Take only rows with this value.

    Returns:
        Paths; a missing file is kept as written, so that `open_clips` reports it.

    Raises:
        InputUnreadable: The file cannot be read.
        OptionError: A column is missing, or no row is left.
    """
    try:
        with manifest.open(newline="", encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
    except (OSError, ValueError, csv.Error) as error:
        raise InputUnreadable(f"{manifest}: {error}") from error
    for column in ("clip",) if split is None else ("clip", "split"):
        if any(not row.get(column) for row in rows):
            raise OptionError(f"{manifest}: the column {column!r} is missing or has gaps")
    names = [row["clip"] for row in rows if split is None or row["split"] == split]
    if not names:
        raise OptionError(f"{manifest} lists no clip" + (f" of split {split!r}" if split else ""))
    folder = manifest.parent
    below = {
        path.stem: path
        for path in sorted(folder.rglob("*"), reverse=True)
        if path.suffix.lower() in SUFFIXES
    }
    return [
        folder / name if (folder / name).is_file() else below.get(name, folder / name)
        for name in names
    ]


def open_clips(
    paths: Iterable[Path], memo: Memo | None = None, lines: int | None = None
) -> tuple[tuple[Clip, ...], tuple[UnusableClip, ...]]:
    """The usable and the unusable clips, after reading every one through once.

    A memo remembers what was found out about a file; ``lines`` is as `Clip.open` has it.

    Raises:
        ImfcodecError: No clip is usable; the class is that of the first error.
        OptionError: Two clips have the same name, by which results identify them.
    """
    clips: list[Clip] = []
    unusable: list[UnusableClip] = []
    seen: dict[str, Path] = {}
    for path in paths:
        other = seen.setdefault(path.stem, path)
        if other is not path:
            if other.resolve() == path.resolve():
                continue
            raise OptionError(f"{other} and {path} are both called {path.stem}: rename one")
        try:
            clips.append(Clip.open(path, memo, lines))
        except UNUSABLE_VIDEO as error:
            unusable.append(UnusableClip(path, error))
    if unusable and not clips:
        reasons = "; ".join(str(clip.error) for clip in unusable[:3])
        more = f"; and {len(unusable) - 3} more" if len(unusable) > 3 else ""
        raise type(unusable[0].error)(reasons + more)
    return tuple(clips), tuple(unusable)
