"""The output folder: two shards, their journal, and a manifest."""

from __future__ import annotations

import json
import platform
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict
from pathlib import Path

import av
import cv2
import numpy as np

from imfcodec import __version__
from imfcodec.errors import OutputExists
from imfcodec.media import AtomicOutput, writing
from imfcodec.training.landmarks import FILE as LANDMARKS
from imfcodec.training.prepare.journal import FORMAT, Journal
from imfcodec.training.prepare.labels import SPLITS
from imfcodec.training.prepare.options import PrepareOptions
from imfcodec.training.prepare.records import Json, SourceRecord
from imfcodec.training.shards import ClipEntry, ClipLabel, Pictures, ShardWriter

JOURNAL, MANIFEST = "journal.jsonl", "manifest.json"
SHARD_FILES = ("index.json", "frames.u8", "refs.u8", LANDMARKS)


class Dataset:
    """Takes sources one at a time, each completely or not at all.

    As a context manager it writes the indices and the manifest of what is finished, whether the
    body succeeds or not.
    """

    def __init__(self, out: Path, options: PrepareOptions, detector: str | None) -> None:
        """Create the folder, or continue an earlier run with the same options.

        ``detector`` is the digest of the face detector, None if it places no crop.

        Raises:
            OutputExists: it holds something else, or was begun with other options.
            OutputFailed: it cannot be written, or another run is writing to it.
        """
        self.out = out
        self._options = _essential(options, detector)
        self._writers: dict[str, ShardWriter] = {}
        with writing(str(out)):
            out.mkdir(parents=True, exist_ok=True)
            foreign = any(out.iterdir()) and not (out / JOURNAL).exists()
            if foreign and not options.overwrite:
                raise OutputExists(f"{out} is not empty; name another folder")
            self._journal = Journal(out / JOURNAL, self._options, anew=options.overwrite)
            try:
                if options.overwrite:
                    _clear(out)
                for split in SPLITS:
                    clips = self._committed(split)
                    self._writers[split] = ShardWriter(out / split, options.size, clips)
            except BaseException:
                self._journal.close()
                raise

    @property
    def records(self) -> Iterable[SourceRecord]:
        """All sources that are finished, unreadable ones among them."""
        return self._journal.records.values()

    def finished(self, name: str) -> SourceRecord | None:
        """The record of a source that need not be read again."""
        record = self._journal.records.get(name)
        return record if record and record.error is None else None

    @contextmanager
    def undoing(self, split: str) -> Iterator[None]:
        """Around the `add`s of one source: if the body raises, they are taken back."""
        try:
            with writing(str(self.out)):
                yield
        except Exception:
            self._writers[split].keep(len(self._committed(split)))
            raise

    def add(
        self, source: SourceRecord, number: int, frames: Iterable[Pictures], stride: int
    ) -> ClipEntry:
        """Append the clip of the source's shot of this number to its shard."""
        label = ClipLabel(f"{source.name}#{number}", source.identity, source.weight, stride)
        return self._writers[source.split].add(label, frames)

    def commit(self, record: SourceRecord) -> None:
        """Record a source for good, its clips first.

        Raises:
            OutputFailed: the disk is full.
        """
        with writing(str(self.out)):
            self._writers[record.split].sync()
            self._journal.append(record)

    def __enter__(self) -> Dataset:
        return self

    def __exit__(self, *raised: object) -> None:
        try:
            with writing(str(self.out)):
                for split, writer in self._writers.items():
                    writer.keep(len(self._committed(split)))
                    writer.close()
                    if not writer.clips:
                        _clear_shard(self.out / split)
                self._write_manifest()
        finally:
            self._journal.close()

    def _committed(self, split: str) -> list[ClipEntry]:
        return [clip for record in self.records if record.split == split for clip in record.clips]

    def _write_manifest(self) -> None:
        sources = [asdict(record) | {"clips": ()} for record in self.records]
        manifest = {
            "format": FORMAT,
            "options": self._options,
            "versions": _versions(with_opencv=self._options["face"]),
            "sources": sorted(sources, key=lambda source: str(source["name"])),
        }
        with AtomicOutput(self.out / MANIFEST, overwrite=True) as output:
            output.file.write(json.dumps(manifest, indent=1).encode())


def _essential(options: PrepareOptions, detector: str | None) -> Json:
    """Everything that the shards depend on; files count by content, not by path."""
    essential = asdict(options) | {"detector": detector}
    if not options.face:
        essential["detect_every"] = None
    del essential["labels"], essential["overwrite"]
    return essential


def _versions(*, with_opencv: bool) -> Json:
    libraries = {"av": av, "numpy": np} | ({"opencv": cv2} if with_opencv else {})
    versions = {name: library.__version__ for name, library in libraries.items()}
    return {"imfcodec": __version__, "python": platform.python_version(), **versions}


def _clear(out: Path) -> None:
    """Remove an earlier run's files, and nothing that was not its own."""
    (out / MANIFEST).unlink(missing_ok=True)
    for split in SPLITS:
        _clear_shard(out / split)


def _clear_shard(folder: Path) -> None:
    for name in SHARD_FILES:
        (folder / name).unlink(missing_ok=True)
    with suppress(OSError):  # missing, or something else is in it
        folder.rmdir()
