"""A run of the benchmark: all clips, codecs and settings, from the cache or measured."""

from __future__ import annotations

import dataclasses
import tempfile
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from imfcodec.bench.cache import Cache
from imfcodec.bench.clip import Clip, Picture
from imfcodec.bench.clips import UnusableClip
from imfcodec.bench.codecs.codec import Codec
from imfcodec.bench.environment import commit, library_versions, machine
from imfcodec.bench.job import Job, Outcome, failed_point
from imfcodec.bench.results import ClipEntry, CodecEntry, Point, Results
from imfcodec.bench.scoring import ScoreOptions, missing_metrics
from imfcodec.errors import InputUnreadable, OptionError

Execute = Callable[[Iterable[Job]], Generator[tuple[Job, Outcome], None, None]]
"""Does jobs in any order: `run_locally`, `run_on_ray`."""

Advance = Callable[[int, int], None]
"""Takes the points done and all points."""

NOT_MEASURED = "not measured: the run was stopped"


@dataclass(frozen=True)
class Plan:
    """What a run is to measure.

    Attributes:
        clips: To measure on.
        unusable: Asked for, but not to be measured on.
        codecs: Those that cannot run here included.
        scoring: Metrics and models.
    """

    clips: tuple[Clip, ...]
    codecs: tuple[Codec, ...]
    scoring: ScoreOptions
    unusable: tuple[UnusableClip, ...] = ()


class Run:
    """Measures a plan, point by point.

    What is done stays done: each point goes into the cache when it is there, and `results` may
    be asked for at any time, also after `points` was interrupted.
    """

    def __init__(self, plan: Plan, cache: Cache, execute: Execute) -> None:
        """Find out what can be measured.

        Args:
            plan: What to measure.
            cache: Where points come from and go to.
            execute: Who does the jobs.

        Raises:
            OptionError: A metric that was asked for by name cannot be measured here, or no
                codec can run.
        """
        self._plan = plan
        self._cache = cache
        self._execute = execute
        self._missing_codecs = {codec.name: codec.missing() for codec in plan.codecs}
        self._metrics_missing = missing_metrics(plan.scoring)
        for name in plan.scoring.metrics or ():
            if name in self._metrics_missing:
                raise OptionError(f"{name}: {self._metrics_missing[name]}")
        if all(self._missing_codecs.values()):
            reasons = "; ".join(f"{name}: {why}" for name, why in self._missing_codecs.items())
            raise OptionError(f"no codec can run here: {reasons}")
        self._versions = {codec.name: codec.version() for codec in self._able()}
        self._metrics = tuple(
            name for name in plan.scoring.wanted if name not in self._metrics_missing
        )
        self._done: dict[tuple[str, str, str], Point] = {}
        self.from_cache = 0

    def measure(self, advance: Advance | None = None) -> None:
        """Measure all points that are not in the cache.

        Clips come one after the other, so that a run which was stopped has whole clips.

        Args:
            advance: Told of the progress, first when the cache has been asked.
        """
        total = 0
        pending: list[Job] = []
        for job in self._jobs():
            total += 1
            found = self._cache.find(job, self._metrics)
            if found is not None and not found.missing:
                self._keep(found.point)
            else:
                pending.append(job)
        self.from_cache = len(self._done)
        if advance:
            advance(len(self._done), total)
        with closing(self._execute(map(self._prepared, pending))) as outcomes:
            for job, outcome in outcomes:
                self._settle(job, outcome)
                if advance:
                    advance(len(self._done), total)

    def results(self, command: str) -> Results:
        """All points of the plan; those without a measurement say why.

        Args:
            command: The command line that repeats the run.
        """
        plan = self._plan
        points = [
            self._done.get((clip.name, codec.name, setting))
            or failed_point(clip.name, codec, setting, NOT_MEASURED)
            for clip in plan.clips
            for codec in self._able()
            for setting in codec.settings
        ]
        points += [
            failed_point(clip.name, codec, setting, f"{type(clip.error).__name__}: {clip.error}")
            for clip in plan.unusable
            for codec in self._able()
            for setting in codec.settings
        ]
        return Results(
            command=command,
            machine=machine(),
            commit=commit(),
            versions=library_versions(),
            clips=(*map(_entry, plan.clips), *map(_unusable_entry, plan.unusable)),
            codecs=tuple(
                CodecEntry(
                    codec.name,
                    codec.label,
                    codec.family,
                    codec.role,
                    self._versions.get(codec.name, ""),
                    self._missing_codecs[codec.name],
                )
                for codec in plan.codecs
            ),
            points=tuple(points),
            metrics_missing=self._metrics_missing,
        )

    def pictures(self, clip: str, codec: str, setting: str) -> Iterator[Picture]:
        """The decoded frames of a point once more, from the coded clip that was kept.

        Args:
            clip: Name of the clip.
            codec: Name of the codec, or "source" for the clip itself.
            setting: Of the codec.

        Raises:
            InputUnreadable: There is no such point, or its coded clip is gone.
        """
        source = next((c for c in self._plan.clips if c.name == clip), None)
        if source is None:
            raise InputUnreadable(f"there is no clip {clip}")
        if codec == "source":
            yield from source.pictures()
            return
        coder = next((c for c in self._able() if c.name == codec), None)
        coded = None if coder is None else self._cache.coded(self._job(source, coder, setting))
        if coder is None or coded is None:
            raise InputUnreadable(f"{clip} is not there as {codec} codes it at {setting}")
        with tempfile.TemporaryDirectory(prefix="imfcodec-bench-") as folder:
            yield from coder.decode(coded.unpack(Path(folder)), source)

    def _able(self) -> list[Codec]:
        return [codec for codec in self._plan.codecs if not self._missing_codecs[codec.name]]

    def _jobs(self) -> Iterator[Job]:
        for clip in self._plan.clips:
            for codec in self._able():
                for setting in codec.settings:
                    yield self._job(clip, codec, setting)

    def _job(self, clip: Clip, codec: Codec, setting: str) -> Job:
        return Job(clip, codec, setting, self._versions[codec.name], self._plan.scoring)

    def _prepared(self, job: Job) -> Job:
        """The job with its coded clip, and with those metrics only that are not known."""
        found = self._cache.find(job, self._metrics)
        coded = None if found is None else self._cache.coded(job)
        if found is None or coded is None:
            return dataclasses.replace(job, scoring=self._scoring(self._metrics))
        return dataclasses.replace(job, scoring=self._scoring(found.missing), coded=coded)

    def _scoring(self, metrics: tuple[str, ...]) -> ScoreOptions:
        return dataclasses.replace(self._plan.scoring, metrics=metrics)

    def _settle(self, job: Job, outcome: Outcome) -> None:
        self._cache.store(job, outcome, job.scoring.metrics or ())
        point = outcome.point
        if point.error is None:
            found = self._cache.find(job, self._metrics)
            point = point if found is None else found.point
        self._keep(point)

    def _keep(self, point: Point) -> None:
        self._done[point.clip, point.codec, point.setting] = point


def _entry(clip: Clip) -> ClipEntry:
    return ClipEntry(
        clip.name,
        str(clip.path),
        clip.sha256,
        clip.width,
        clip.height,
        clip.frames,
        float(clip.rate),
    )


def _unusable_entry(clip: UnusableClip) -> ClipEntry:
    return ClipEntry(clip.name, str(clip.path), "", 0, 0, 0, 0.0)
