"""Points that an earlier run measured, possibly on another machine, from its results.json.

A point is reused if measuring it here would give the same:

    clip      the same bytes (sha256) and number of frames
    coding    the same codec, setting, and digest of version and code
    metric    the same digest of code, libraries and models

For a file without digests, other records are compared: the codec's version, which names encoder
and options, and the releases of the libraries that code and measure pictures. The package's own
release then stands for its code. Metrics whose model files are not recorded (face, eyes, mouth,
identity) cannot be compared and count as not measured.

A point that the earlier run had itself reused keeps its original source and is compared with that.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from imfcodec.bench.cache import Found
from imfcodec.bench.environment import library_versions
from imfcodec.bench.fingerprint import codec_digest, file_digest, metric_digest, needs_faces
from imfcodec.bench.job import Job
from imfcodec.bench.results import CodecEntry, Point, Results, Source
from imfcodec.bitstream.rate import rate_kbps

_ID_DIGITS = 12

_PICTURE_LIBRARIES = (
    *("imfcodec", "av", "libavcodec", "libavfilter", "libavformat", "libavutil", "libswscale"),
)
"""Library that reads sources and codes and decodes pictures; it includes the encoders."""
_METRIC_LIBRARIES = {
    "lpips": ("lpips", "torch", "torchvision", "numpy"),
    "ssim": ("scikit-image", "numpy"),
    "ms": ("pytorch-msssim", "torch", "numpy"),
    "psnr": ("numpy",),
    "motion": ("numpy",),
    "xpsnr": (),
    "vmaf": ("ffmpeg binary",),
}
"""By the first word of a metric's name, besides those of pictures."""


@dataclass(frozen=True)
class _Held:
    """A point with what judges it."""

    point: Point
    source: Source
    codec: CodecEntry
    metrics: frozenset[str]


@dataclass
class Earlier:
    """The points of some earlier runs.

    Attributes:
        refused: Number of requested points that were not reused, by reason.
    """

    refused: Counter[str] = field(default_factory=Counter)
    _held: dict[tuple[str, str, str], list[_Held]] = field(default_factory=dict)
    _sources: dict[str, Source] = field(default_factory=dict)

    @classmethod
    def load(cls, paths: Iterable[Path]) -> Earlier:
        """Read results.json files; if several have a point, the first that agrees is reused.

        Raises:
            InputUnreadable: One is no such file.
        """
        earlier = cls()
        for path in paths:
            earlier._add(path)
        return earlier

    def find(self, job: Job, metrics: Collection[str]) -> Found | None:
        """The point of an earlier run, with its origin, and the wanted metrics that it lacks.

        None where there is none, or none that agrees.
        """
        held = self._held.get((job.clip.sha256, job.codec.name, job.setting), ())
        reasons = []
        for one in held:
            reason = _coded_otherwise(one, job) or _scored_otherwise(one, job, metrics)
            if reason is None:
                return _found(one, job, metrics)
            reasons.append(reason)
        if reasons:
            self.refused[reasons[0]] += 1
        return None

    def sources(self, points: Iterable[Point]) -> tuple[Source, ...]:
        """Where taken points were measured."""
        used = {point.origin for point in points}
        return tuple(source for id, source in self._sources.items() if id in used)

    def _add(self, path: Path) -> None:
        results = Results.load(path)
        shared = ("command", "machine", "commit", "versions", "codecs", "metric_digests")
        own = Source(
            id=file_digest(path)[:_ID_DIGITS],
            path=str(path),
            **{name: getattr(results, name) for name in shared},
        )
        sources = {own.id: own, **{source.id: source for source in results.sources}}
        clips = {clip.name: clip for clip in results.clips}
        measured = _measured(results.points, sources, own.id)
        for point in results.points:
            source = sources.get(point.origin or own.id)
            if point.error is not None or source is None or point.clip not in clips:
                continue
            codec = next((c for c in source.codecs if c.name == point.codec), None)
            if codec is None:
                continue
            self._sources.setdefault(source.id, source)
            key = (clips[point.clip].sha256, point.codec, point.setting)
            held = _Held(replace(point, origin=source.id), source, codec, measured[source.id])
            self._held.setdefault(key, []).append(held)


def _measured(
    points: Iterable[Point], sources: Mapping[str, Source], own_id: str
) -> dict[str, frozenset[str]]:
    """The metrics that each source measured: one that a point lacks then has no value there."""
    measured = {id: set(source.metric_digests) for id, source in sources.items()}
    for point in points:
        id = point.origin or own_id
        if id in measured and not sources[id].metric_digests:
            measured[id].update(point.scores)
    return {id: frozenset(names) for id, names in measured.items()}


def _coded_otherwise(held: _Held, job: Job) -> str | None:
    """Why the coded clip would be another one here."""
    if held.point.frames != job.clip.frames:
        return f"{job.clip.name} has another number of frames"
    codec = job.codec.name
    if held.codec.digest:
        same = held.codec.digest == codec_digest(codec, job.version)
        return None if same else f"{codec} has another version, or its code has changed"
    if held.codec.version != job.version:
        return f"{codec} has another version or other options"
    return _another_release(held.source, _PICTURE_LIBRARIES)


def _scored_otherwise(held: _Held, job: Job, metrics: Collection[str]) -> str | None:
    """Why a wanted metric would be measured otherwise here, or why there is none."""
    wanted = [name for name in metrics if name in _judged(held)]
    if metrics and not wanted:
        return "none of the wanted metrics was measured there"
    for name in wanted:
        if digest := held.source.metric_digests.get(name):
            if digest != metric_digest(name, job.scoring):
                return f"{name} is measured with other code, libraries or models"
        elif reason := _another_release(held.source, _METRIC_LIBRARIES[name.split("_")[0]]):
            return f"{name}: {reason}"
    return None


def _judged(held: _Held) -> frozenset[str]:
    """The metrics that the source measured and that can be judged."""
    if held.source.metric_digests:
        return held.metrics
    return frozenset(name for name in held.metrics if not needs_faces(name))


def _another_release(source: Source, libraries: Iterable[str]) -> str | None:
    here = library_versions()
    for name in libraries:
        there = source.versions.get(name)
        if there is None or _release(there) != _release(here.get(name, "")):
            return f"{name} was {there or 'not recorded'}, here it is {here.get(name, 'missing')}"
    return None


def _release(version: str) -> str:
    """Without the local part: a build for another processor measures the same."""
    return version.partition("+")[0]


def _found(held: _Held, job: Job, metrics: Collection[str]) -> Found:
    judged = _judged(held)
    point = replace(
        held.point,
        clip=job.clip.name,
        rate_kbps=rate_kbps(held.point.size_bytes, 0, job.clip.duration_s),
        scores={n: s for n, s in held.point.scores.items() if n in metrics and n in judged},
    )
    return Found(point, tuple(name for name in metrics if name not in judged))
