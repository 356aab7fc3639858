"""Results of a benchmark: plain data, JSON on disk."""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from imfcodec.errors import InputUnreadable

FORMAT = "imfcodec-bench-1"


@dataclass(frozen=True)
class Metric:
    """Description of a metric.

    Attributes:
        name: Key in `Point.scores`.
        label: For people, with its unit.
        higher_is_better: Its direction.
    """

    name: str
    label: str
    higher_is_better: bool


REGIONS = ("face", "eyes", "mouth")
"""Parts of the picture with metrics of their own, whose names begin with them."""

METRICS = (
    Metric("lpips_alex", "LPIPS (AlexNet)", False),
    Metric("lpips_squeeze", "LPIPS (SqueezeNet)", False),
    Metric("psnr_rgb_db", "PSNR-RGB (dB)", True),
    Metric("psnr_y_db", "PSNR-Y (dB)", True),
    Metric("ssim", "SSIM", True),
    Metric("ms_ssim", "MS-SSIM", True),
    Metric("xpsnr_db", "XPSNR (dB)", True),
    Metric("vmaf", "VMAF", True),
    Metric("motion_error", "motion error (frozen = 1)", False),
    *(
        metric
        for region in REGIONS
        for metric in (
            Metric(f"{region}_lpips_alex", f"LPIPS (AlexNet), {region}", False),
            Metric(f"{region}_psnr_rgb_db", f"PSNR-RGB, {region} (dB)", True),
            Metric(f"{region}_motion_error", f"motion error, {region}", False),
        )
    ),
    Metric("identity", "identity cosine", True),
)
"""All metrics, the headline first. A point holds those that could be measured."""


@dataclass(frozen=True)
class Score:
    """One metric of one decoded clip.

    Attributes:
        mean: Over frames; of motion error and XPSNR the value of the whole clip.
        worst: Mean over the 5 % worst frames (at least one); None for whole-clip values.
        worst_frame: Number of the worst frame, None for whole-clip values.
    """

    mean: float
    worst: float | None = None
    worst_frame: int | None = None


@dataclass(frozen=True)
class Point:
    """One codec at one setting on one clip.

    Attributes:
        clip, codec, setting: Which.
        size_bytes: Of everything that counts as rate.
        rate_kbps: 8 * size_bytes / duration / 1000.
        frames: Decoded, checked against the source.
        encode_s, decode_s: Of the whole of coding (reading the source included) and decoding.
        scores: By metric name.
        origin: `Source.id` of the run that measured it, None if this one did; "from" in JSON.
        error: Why the point failed, None if it did not. A failed point keeps its place: means
            over clips count it as failed instead of leaving it out.
    """

    clip: str
    codec: str
    setting: str
    size_bytes: int = 0
    rate_kbps: float = 0.0
    frames: int = 0
    encode_s: float = 0.0
    decode_s: float = 0.0
    scores: Mapping[str, Score] = field(default_factory=dict)
    error: str | None = None
    origin: str | None = None


@dataclass(frozen=True)
class CodecEntry:
    """A codec of the run.

    Attributes:
        name, label, family, role: As `Codec` says.
        version: Of library, weights and options.
        missing: Why it took no part, None if it did.
        digest: Of version and code, as `fingerprint.codec_digest` has it; empty if not known.
    """

    name: str
    label: str
    family: str
    role: str
    version: str
    missing: str | None = None
    digest: str = ""


@dataclass(frozen=True)
class Source:
    """An earlier run from which points were taken.

    Attributes:
        id: The first digits of its results.json's sha256.
        path: Where that file was read first.
        command, machine, commit, versions, codecs, metric_digests: As `Results` of that run.
    """

    id: str
    path: str
    command: str
    machine: str
    commit: str | None
    versions: Mapping[str, str]
    codecs: tuple[CodecEntry, ...]
    metric_digests: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class ClipEntry:
    """A clip of the run; ``path`` is where it was read."""

    name: str
    path: str
    sha256: str
    width: int
    height: int
    frames: int
    rate_fps: float


@dataclass(frozen=True)
class Results:
    """One run of the benchmark.

    Attributes:
        command: The command line that repeats it.
        machine: Processor, cores, operating system.
        commit: Of the checkout, None outside of one.
        versions: Of the libraries, by name.
        clips, codecs, points: What was measured.
        metrics_missing: Metrics that could not be measured, with the reason.
        metric_digests: Of what each measured metric depends on, by name
            (`fingerprint.metric_digest`).
        sources: Earlier runs from which points were taken.
    """

    command: str
    machine: str
    commit: str | None
    versions: Mapping[str, str]
    clips: tuple[ClipEntry, ...]
    codecs: tuple[CodecEntry, ...]
    points: tuple[Point, ...]
    metrics_missing: Mapping[str, str] = field(default_factory=dict)
    metric_digests: Mapping[str, str] = field(default_factory=dict)
    sources: tuple[Source, ...] = ()

    def save(self, path: Path) -> None:
        """Write JSON, whole or not at all; infinities and NaN, which JSON lacks, become strings."""
        from imfcodec.media.atomic import AtomicOutput  # the command's help names METRICS only

        record = {"format": FORMAT, **dataclasses.asdict(self)}
        for point in record["points"]:
            point["from"] = point.pop("origin")
        text = json.dumps(_plain(record), indent=1, allow_nan=False) + "\n"
        with AtomicOutput(path, overwrite=True) as output:
            output.file.write(text.encode())

    @classmethod
    def load(cls, path: Path) -> Results:
        """Read what `save` wrote.

        Raises:
            InputUnreadable: It is no such file.
        """
        try:
            fields = json.loads(path.read_text())
            if fields.pop("format", None) != FORMAT:
                raise ValueError(f"not in format {FORMAT}")
            fields["clips"] = tuple(ClipEntry(**c) for c in fields["clips"])
            fields["codecs"] = _codecs(fields)
            fields["points"] = tuple(map(_point, fields["points"]))
            fields["sources"] = tuple(
                Source(**{**source, "codecs": _codecs(source)})
                for source in fields.get("sources", ())
            )
            return cls(**fields)
        except (OSError, KeyError, TypeError, ValueError) as error:
            raise InputUnreadable(f"{path} holds no benchmark results: {error}") from error


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {k: _plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(v) for v in value]
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    return value


def _codecs(fields: dict[str, Any]) -> tuple[CodecEntry, ...]:
    return tuple(CodecEntry(**codec) for codec in fields["codecs"])


def _point(fields: dict[str, Any]) -> Point:
    """Of one object of results.json, where infinities and NaN are strings."""
    scores = {
        name: Score(
            float(score["mean"]),
            None if score["worst"] is None else float(score["worst"]),
            score["worst_frame"],
        )
        for name, score in fields["scores"].items()
    }
    origin = fields.pop("from", None)
    return Point(**{**fields, "scores": scores, "origin": origin})
