"""Measured points, cached on disk.

    FOLDER/ab/abcdef.../entry.json      sizes, times, and every score with what it depends on
                        /clip.mkv       the coded clip, under the name that its codec gave it
    FOLDER/made/...                     facts of clips, and the report's pictures (`Memo`)

The folder of an entry is named by `coding_digest`. Each score carries its `metric_digest`. A score
with another digest than today's counts as missing, like a metric that was not requested before;
both are measured on the cached coded clip. The coded clip is written first and the entry last, each
to a hidden file that is then renamed, so that a run may be killed at any moment.
"""

from __future__ import annotations

import dataclasses
import json
import tempfile
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from imfcodec.bench.fingerprint import bytes_digest, coding_digest, digest, metric_digest
from imfcodec.bench.job import Coded, Job, Outcome
from imfcodec.bench.memo import Memo, write_whole
from imfcodec.bench.results import Point, Score
from imfcodec.bitstream.rate import rate_kbps
from imfcodec.weights import user_folder

_ENTRY = "entry.json"
_FORMAT = 1


def default_cache_folder() -> Path:
    """`imfcodec/bench` in the user's cache folder, or in the system's without a home folder."""
    root = user_folder("XDG_CACHE_HOME", ".cache") or Path(tempfile.gettempdir())
    return root / "imfcodec" / "bench"


@dataclass(frozen=True)
class Found:
    """What is known of a job: the point with its known scores, and requested metrics it lacks."""

    point: Point
    missing: tuple[str, ...]


@dataclass(frozen=True)
class Cache:
    """A folder of measured points; several runs may share it."""

    folder: Path

    @property
    def memo(self) -> Memo:
        """Other facts and files that runs reuse."""
        return Memo(self.folder / "made")

    def find(self, job: Job, metrics: Collection[str]) -> Found | None:
        """What is known of a job and the wanted metrics; None if nothing, or a damaged entry."""
        folder = self._folder(job)
        entry = _read(folder)
        if entry is None or not (folder / entry["coded"]["name"]).is_file():
            return None
        known = {
            name: stored["score"]
            for name, stored in entry["scores"].items()
            if name in metrics and stored["depends_on"] == metric_digest(name, job.scoring)
        }
        size_bytes = int(entry["coded"]["size_bytes"])
        point = Point(
            clip=job.clip.name,
            codec=job.codec.name,
            setting=job.setting,
            size_bytes=size_bytes,
            rate_kbps=rate_kbps(size_bytes, 0, job.clip.duration_s),
            frames=entry["frames"],
            encode_s=entry["coded"]["encode_s"],
            decode_s=entry["decode_s"],
            scores={name: Score(**score) for name, score in known.items() if score is not None},
        )
        return Found(point, tuple(name for name in metrics if name not in known))

    def coded(self, job: Job) -> Coded | None:
        """The coded clip; None where there is none, or a damaged one."""
        folder = self._folder(job)
        if (entry := _read(folder)) is None:
            return None
        try:
            data = (folder / entry["coded"]["name"]).read_bytes()
        except OSError:
            return None
        sha256 = entry["coded"].pop("sha256")
        return Coded(**entry["coded"], data=data) if bytes_digest(data) == sha256 else None

    def identity(self, job: Job) -> str | None:
        """Of the decoded frames of a job's coded clip; None where there is no such clip."""
        entry = _read(self._folder(job))
        return None if entry is None else digest([coding_digest(job), entry["coded"]["sha256"]])

    def store(self, job: Job, outcome: Outcome, metrics: Collection[str]) -> None:
        """Keep the outcome of a job. Failed points are not kept, so they are tried again.

        Args:
            job: What was done.
            outcome: What it gave; scores that are known already stay.
            metrics: What was asked of it: a metric that has no value on this clip is known
                to have none.

        Raises:
            OutputFailed: The folder cannot be written.
        """
        point, coded = outcome.point, outcome.coded
        if point.error is not None or coded is None:
            return
        folder = self._folder(job)
        fields = {name: value for name, value in vars(coded).items() if name != "data"}
        fields["sha256"] = bytes_digest(coded.data)
        earlier = _read(folder)
        same = earlier is not None and earlier["coded"]["sha256"] == fields["sha256"]
        scores = dict(earlier["scores"]) if same and earlier is not None else {}
        for name in metrics:
            score = point.scores.get(name)
            scores[name] = {
                "depends_on": metric_digest(name, job.scoring),
                "score": None if score is None else dataclasses.asdict(score),
            }
        if job.coded is None or not same:
            write_whole(folder / coded.name, coded.data)
        entry = {
            "format": _FORMAT,
            "clip": job.clip.name,
            "codec": job.codec.name,
            "setting": job.setting,
            "coded": fields,
            "frames": point.frames,
            "decode_s": point.decode_s,
            "scores": scores,
        }
        write_whole(folder / _ENTRY, json.dumps(entry, indent=1).encode())

    def _folder(self, job: Job) -> Path:
        key = coding_digest(job)
        return self.folder / key[:2] / key


def _read(folder: Path) -> dict[str, Any] | None:
    """An entry; None where there is none, or one of another form."""
    try:
        entry: dict[str, Any] = json.loads((folder / _ENTRY).read_text())
        if entry["format"] != _FORMAT:
            return None
        for stored in entry["scores"].values():
            if stored["score"] is not None:
                Score(**stored["score"])
        Coded(**{k: v for k, v in entry["coded"].items() if k != "sha256"}, data=b"")
        return entry if {"frames", "decode_s"} <= entry.keys() else None
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None
