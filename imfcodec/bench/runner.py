"""A run of the benchmark: all clips, codecs and settings, from the cache or measured."""

from __future__ import annotations

import dataclasses
import tempfile
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

from imfcodec.arrays import Picture
from imfcodec.bench.cache import Cache, Found
from imfcodec.bench.clip import Clip
from imfcodec.bench.clips import UnusableClip
from imfcodec.bench.codecs.codec import Codec
from imfcodec.bench.earlier import Earlier
from imfcodec.bench.environment import commit, library_versions, machine
from imfcodec.bench.fingerprint import codec_digest, metric_digest, reading_digest
from imfcodec.bench.job import Coded, Job, Outcome, code, failed_point
from imfcodec.bench.results import ClipEntry, CodecEntry, Point, Results
from imfcodec.bench.score_options import ScoreOptions
from imfcodec.bench.scoring import missing_metrics
from imfcodec.errors import InputUnreadable, OptionError

Execute = Callable[[Iterable[Job]], Generator[tuple[Job, Outcome], None, None]]
"""Does jobs in any order: `run_locally`, `run_on_ray`."""

Advance = Callable[[int, int], None]
"""Takes the points done and all points."""

NOT_MEASURED = "not measured: the run was stopped"


@dataclass(frozen=True)
class Plan:
    """The plan of a run.

    Attributes:
        clips: Clips to measure.
        unusable: Requested clips that cannot be measured.
        codecs: Codecs, including those that cannot run here.
        scoring: Metrics and models.
        earlier: Points of earlier runs, reused if they agree.
    """

    clips: tuple[Clip, ...]
    codecs: tuple[Codec, ...]
    scoring: ScoreOptions
    unusable: tuple[UnusableClip, ...] = ()
    earlier: Earlier = field(default_factory=Earlier)


class Run:
    """Measures a plan, point by point.

    Nothing is lost: each point goes into the cache as soon as it is measured, and `results` may be
    called at any time, even after `measure` was interrupted.

    Attributes:
        from_cache, from_earlier: How many points came from the cache and from earlier runs.
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
        if all(self._missing_codecs.values()):
            reasons = "; ".join(f"{name}: {why}" for name, why in self._missing_codecs.items())
            raise OptionError(f"no codec can run here: {reasons}")
        self._able = [codec for codec in plan.codecs if not self._missing_codecs[codec.name]]
        self._versions = {codec.name: codec.version() for codec in self._able}
        self._clips = {clip.name: clip for clip in plan.clips}
        self._jobs = {
            (clip.name, codec.name, setting): Job(
                clip, codec, setting, self._versions[codec.name], plan.scoring
            )
            for clip in plan.clips
            for codec in self._able
            for setting in codec.settings
        }
        self._known = {key: self._find(job) for key, job in self._jobs.items()}
        self._metrics_missing = self._why_missing()
        for name in plan.scoring.metrics or ():
            if name in self._metrics_missing:
                raise OptionError(f"{name}: {self._metrics_missing[name]}")
        self._metrics = tuple(
            name for name in plan.scoring.wanted if name not in self._metrics_missing
        )
        self._done: dict[tuple[str, str, str], Point] = {}
        self.from_cache = self.from_earlier = 0

    def measure(self, advance: Advance | None = None) -> None:
        """Measure all points that are not known.

        Clips are measured one after the other, so that a stopped run has complete clips.

        Args:
            advance: Told of the progress, first of what was known already.
        """
        pending: list[Job] = []
        for key, found in self._known.items():
            if found is None or (_is_own(found) and set(found.missing) & set(self._metrics)):
                pending.append(self._jobs[key])
            else:
                self._done[key] = found.point
                self.from_earlier += not _is_own(found)
        self.from_cache = len(self._done) - self.from_earlier
        if advance:
            advance(len(self._done), len(self._jobs))
        with closing(self._execute(map(self._prepared, pending))) as outcomes:
            for job, outcome in outcomes:
                self._settle(job, outcome)
                if advance:
                    advance(len(self._done), len(self._jobs))

    def results(self, command: str) -> Results:
        """All points of the plan; those without a measurement say why.

        Args:
            command: The command line that repeats the run.
        """
        plan = self._plan
        points = [
            self._done.get(key) or job.failed(NOT_MEASURED).point for key, job in self._jobs.items()
        ]
        points += [
            failed_point(clip.name, codec, setting, f"{type(clip.error).__name__}: {clip.error}")
            for clip in plan.unusable
            for codec in self._able
            for setting in codec.settings
        ]
        return Results(
            command=command,
            machine=machine(),
            commit=commit(),
            versions=library_versions(),
            clips=(*map(_entry, plan.clips), *map(_unusable_entry, plan.unusable)),
            codecs=tuple(map(self._codec_entry, plan.codecs)),
            points=tuple(points),
            metrics_missing=self._metrics_missing,
            metric_digests={name: metric_digest(name, plan.scoring) for name in self._metrics},
            sources=plan.earlier.sources(points),
        )

    def pictures(self, clip: str, codec: str, setting: str) -> Iterator[Picture]:
        """The decoded frames of a point once more, from the coded clip that was kept.

        The clip of a point of an earlier run is coded here for it, and kept.

        Args:
            clip: Name of the clip.
            codec: Name of the codec, or "source" for the clip itself.
            setting: Of the codec.

        Raises:
            InputUnreadable: There is no such point, its coded clip is gone, or coding it here
                gives another number of bytes than the earlier run had.
        """
        if clip not in self._clips:
            raise InputUnreadable(f"there is no clip {clip}")
        if codec == "source":
            yield from self._clips[clip].pictures()
            return
        job = self._jobs.get((clip, codec, setting))
        coded = None if job is None else self._cache.coded(job) or self._coded_anew(job)
        if job is None or coded is None:
            raise InputUnreadable(f"{clip} is not there as {codec} codes it at {setting}")
        with tempfile.TemporaryDirectory(prefix="imfcodec-bench-") as folder:
            yield from job.codec.decode(coded.unpack(Path(folder)), job.clip)

    def identity(self, clip: str, codec: str, setting: str) -> str | None:
        """A digest of all that `pictures` of the same depend on; None where that is not known."""
        if codec == "source":
            return reading_digest(self._clips[clip].sha256) if clip in self._clips else None
        job = self._jobs.get((clip, codec, setting))
        return None if job is None else self._cache.identity(job)

    def _coded_anew(self, job: Job) -> Coded | None:
        """The coded clip of a point that was taken from an earlier run; None of any other."""
        point = self._done.get((job.clip.name, job.codec.name, job.setting))
        if point is None or point.origin is None:
            return None
        coded = code(job)
        if coded.size_bytes != point.size_bytes:
            raise InputUnreadable(
                f"{job.clip.name}, {job.codec.name} at {job.setting}: coded here it takes "
                f"{coded.size_bytes} bytes, in the earlier run {point.size_bytes}"
            )
        self._cache.store(job, Outcome(dataclasses.replace(point, origin=None), coded), ())
        return coded

    def _find(self, job: Job) -> Found | None:
        """The result of a job from the cache or an earlier run, whichever knows more metrics."""
        wanted = self._plan.scoring.wanted
        cached = self._cache.find(job, wanted)
        if cached is not None and not cached.missing:
            return cached
        taken = self._plan.earlier.find(job, wanted)
        if taken is None or (cached is not None and len(cached.missing) <= len(taken.missing)):
            return cached
        return taken

    def _why_missing(self) -> dict[str, str]:
        """Metrics that cannot be measured here, and are not known of every point that has them.

        Only those that are still to be measured are tried: it means loading their networks.
        """
        needed: set[str] = set()
        for found in self._known.values():
            if found is None:
                needed.update(self._plan.scoring.wanted)
            elif _is_own(found):
                needed.update(found.missing)
        return missing_metrics(self._scoring(tuple(needed))) if needed else {}

    def _prepared(self, job: Job) -> Job:
        """The job with its coded clip, and with those metrics only that are not known."""
        found = self._cache.find(job, self._metrics)
        coded = None if found is None else self._cache.coded(job)
        missing = self._metrics if found is None or coded is None else found.missing
        return dataclasses.replace(job, scoring=self._scoring(missing), coded=coded)

    def _scoring(self, metrics: tuple[str, ...]) -> ScoreOptions:
        return dataclasses.replace(self._plan.scoring, metrics=metrics)

    def _settle(self, job: Job, outcome: Outcome) -> None:
        self._cache.store(job, outcome, job.scoring.metrics or ())
        point = outcome.point
        if point.error is None and (found := self._cache.find(job, self._metrics)):
            point = found.point
        self._done[point.clip, point.codec, point.setting] = point

    def _codec_entry(self, codec: Codec) -> CodecEntry:
        version = self._versions.get(codec.name)
        return CodecEntry(
            codec.name,
            codec.label,
            codec.family,
            codec.role,
            version or "",
            self._missing_codecs[codec.name],
            "" if version is None else codec_digest(codec.name, version),
        )


def _is_own(found: Found) -> bool:
    """Whether this machine has measured it, and can measure more of it."""
    return found.point.origin is None


def _entry(clip: Clip) -> ClipEntry:
    size = (clip.width, clip.height, clip.frames)
    return ClipEntry(clip.name, str(clip.path), clip.sha256, *size, float(clip.rate))


def _unusable_entry(clip: UnusableClip) -> ClipEntry:
    return ClipEntry(clip.name, str(clip.path), "", 0, 0, 0, 0.0)
