"""Tables and lists of the page, as text in cells."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from imfcodec.bench.report.curves import measured_metrics
from imfcodec.bench.report.showcase import Pair
from imfcodec.bench.results import CodecEntry, Metric, Point, Results
from imfcodec.bench.speed.result import HEADING, SpeedResult, figures_of
from imfcodec.bench.summary import FamilyBdRate, lacking, means

NOTHING = "–"
"""A cell without a value."""

_SHOWN_GAPS = 12
_NAMED_CLIPS = 8

Compared = Mapping[Metric, Sequence[FamilyBdRate]]
"""What `summary.bd_rates` found, for each metric."""


class Row(NamedTuple):
    """Cells, the first one naming the row; ``strong`` for ours."""

    cells: tuple[str, ...]
    strong: bool = False


class Table(NamedTuple):
    """A table; the first ``names`` columns hold words, the others numbers."""

    caption: str
    heading: tuple[str, ...]
    rows: tuple[Row, ...]
    names: int = 1


class Gap(NamedTuple):
    """One kind of thing that is missing: a line per case, and how many cases are not listed."""

    title: str
    lines: tuple[str, ...]
    more: int = 0


def number(value: float | None, metric: Metric | None = None) -> str:
    """A value with as many digits as it has meaning."""
    if value is None or math.isnan(value):
        return NOTHING
    if math.isinf(value):
        return "∞" if value > 0 else "−∞"
    coarse = metric is not None and (metric.name.endswith("_db") or metric.name == "vmaf")
    return f"{value:.2f}" if coarse else f"{value:.4f}" if abs(value) < 1 else f"{value:.3f}"


def means_tables(results: Results) -> tuple[Table, Table]:
    """Means over clips of every codec and setting, and the same for the 5 % worst frames."""
    codecs, metrics = _codecs(results), measured_metrics(results)
    every, worst = [], []
    rows = means(results)
    with_worst = [m for m in metrics if any(m.name in row.worst for row in rows)]
    for row in rows:
        codec = codecs[row.codec]
        name, ours = (codec.label, row.setting), codec.role == "ours"
        clips = f"{row.clips} ({row.failed} failed)" if row.failed else f"{row.clips}"
        rate = f"{row.rate_kbps:.2f}"
        every.append(
            Row((*name, clips, rate if row.clips else NOTHING, *_cells(row.scores, metrics)), ours)
        )
        if row.worst:
            worst.append(Row((*name, rate, *_cells(row.worst, with_worst)), ours))
    return (
        Table(
            "Means over the clips of every setting",
            ("codec", "setting", "clips", "kbps", *_labels(metrics)),
            tuple(every),
            names=2,
        ),
        Table(
            "Means over the 5 % worst frames of every clip",
            ("codec", "setting", "kbps", *_labels(with_worst)),
            tuple(worst),
            names=2,
        ),
    )


def clips_table(results: Results, pairs: tuple[Pair, ...]) -> Table:
    """For each clip, the codec that the page shows and the anchor that it is compared with."""
    codecs, metrics = _codecs(results), measured_metrics(results)
    rows = []
    for point, ours in ((p, p is pair.ours) for pair in pairs for p in (pair.ours, pair.anchor)):
        if point is not None:
            values = _cells({name: score.mean for name, score in point.scores.items()}, metrics)
            name = (point.clip, codecs[point.codec].label, point.setting)
            rows.append(Row((*name, f"{point.rate_kbps:.2f}", *values), ours))
    return Table(
        "Ours and the best anchor near its rate, worst clip first",
        ("clip", "codec", "setting", "kbps", *_labels(metrics)),
        tuple(rows),
        names=3,
    )


def coding_speed_table(results: Results) -> Table:
    """Frames per second of every codec over the clips of each setting."""
    codecs = _codecs(results)
    groups: dict[tuple[str, str], list[Point]] = {}
    for point in results.points:
        # Those of earlier runs were timed on other machines.
        if not point.error and point.origin is None:
            groups.setdefault((point.codec, point.setting), []).append(point)
    rows = []
    for (name, setting), points in groups.items():
        frames = sum(point.frames for point in points)
        times_s = (sum(p.encode_s for p in points), sum(p.decode_s for p in points))
        speeds = (f"{frames / s:.1f}" if s > 0 else NOTHING for s in times_s)
        rows.append(Row((codecs[name].label, setting, *speeds), codecs[name].role == "ours"))
    heading = ("codec", "setting", "encode, frames/s", "decode, frames/s")
    return Table("Coding during this run, several jobs at the same time", heading, tuple(rows), 2)


def speed_tables(speed: SpeedResult) -> tuple[Table, Table]:
    """Whole commands, and where the time of ours goes."""
    ours = [row for row in speed.rows if row.ours]
    stages = dict.fromkeys(stage.name for row in ours for stage in row.stages)
    commands = tuple(Row(figures_of(row), row.ours) for row in speed.rows)
    times = []
    for row in ours:
        held = {stage.name: f"{stage.ms_per_frame:.2f}" for stage in row.stages}
        cells = (held.get(stage, NOTHING) for stage in stages)
        times.append(Row((*figures_of(row)[:3], *cells, f"{row.other_ms_per_frame:.2f}"), True))
    clip = f"{speed.clip}, {speed.width}x{speed.height}, {speed.frames} frames, {speed.machine}"
    return (
        Table(f"Whole commands one at a time, after warm-up: {clip}", HEADING, commands, 2),
        Table(
            "Milliseconds per frame in each stage of ours",
            (*HEADING[:3], *stages, "other"),
            tuple(times),
            names=2,
        ),
    )


def bd_tables(compared: Compared, clips: int) -> tuple[Table, ...]:
    """A table for each family of ours: a row per metric, a column per anchor family."""
    families = dict.fromkeys(rate.family for rates in compared.values() for rate in rates)
    tables = []
    for family in families:
        rates = {m: [r for r in found if r.family == family] for m, found in compared.items()}
        anchors = dict.fromkeys(r.anchor for found in rates.values() for r in found)
        rows = tuple(
            Row((metric.label, *(_bd_cell(rate, metric, clips) for rate in found)))
            for metric, found in rates.items()
            if found
        )
        caption = (
            f"BD-rate of {family}; below each, the interval of the metric, the fewest points on "
            "the anchor's and on its own curve, and the clips that could be compared"
        )
        tables.append(Table(caption, ("metric", *(f"against {a}" for a in anchors)), rows))
    return tuple(tables)


def bd_refusals(compared: Compared) -> Iterator[str]:
    """A line for each comparison that left clips or points out, and why."""
    for metric, rates in compared.items():
        for rate in rates:
            for why, clips in (
                ("no common interval", rate.no_overlap),
                ("too few points", rate.too_few_points),
                ("compared with points missing", rate.partly_failed),
            ):
                if clips:
                    what = f"{metric.label}, {rate.family} against {rate.anchor}"
                    more = len(clips) - _NAMED_CLIPS
                    named = ", ".join(clips[:_NAMED_CLIPS])
                    yield f"{what}: {why} on {named}" + (f" and {more} more" if more > 0 else "")


def gaps(results: Results, unshown: Iterable[str] = ()) -> tuple[Gap, ...]:
    """What a run did not measure or show: said first, so that no mean hides it."""
    failed = (
        f"{point.clip}, {point.codec} at {point.setting}: {point.error}"
        for point in results.points
        if point.error is not None
    )
    kinds: dict[str, Iterable[str]] = {
        "Failed points": failed,
        "Settings that lack clips": _absent(results),
        "Codecs that did not run": _idle_codecs(results),
        "Metrics that could not be measured": (
            f"{name}: {reason}" for name, reason in results.metrics_missing.items()
        ),
        "Metrics that points of earlier runs lack": (
            f"{name}: {count} point{'s' * (count != 1)}; no mean and no BD-rate counts them"
            for name, count in lacking(results).items()
        ),
        "Videos and frames that are not shown": unshown,
    }
    listed = {title: tuple(lines) for title, lines in kinds.items()}
    return tuple(
        Gap(f"{title}: {len(lines)}", lines[:_SHOWN_GAPS], max(0, len(lines) - _SHOWN_GAPS))
        for title, lines in listed.items()
        if lines
    )


def _absent(results: Results) -> Iterator[str]:
    """Points that other clips have: a run that was interrupted."""
    held = {(p.clip, p.codec, p.setting) for p in results.points}
    for codec, setting in dict.fromkeys((p.codec, p.setting) for p in results.points):
        absent = sum((clip.name, codec, setting) not in held for clip in results.clips)
        if absent:
            yield f"{codec} at {setting}: {absent} of {len(results.clips)} clips"


def _idle_codecs(results: Results) -> Iterator[str]:
    measured = {point.codec for point in results.points}
    for codec in results.codecs:
        if codec.missing is not None:
            yield f"{codec.label}: {codec.missing}"
        elif codec.name not in measured:
            yield f"{codec.label}: no point of it was measured"


def _bd_cell(rate: FamilyBdRate, metric: Metric, clips: int) -> str:
    if rate.percent is None or rate.interval is None or rate.points is None:
        return NOTHING
    digits = 0 if abs(rate.percent) >= 10 else 1
    percent = f"{rate.percent:+.{digits}f} %".replace("-", "−")
    low, high = (number(value, metric) for value in rate.interval)
    points = "/".join(map(str, rate.points))
    return f"{percent}\n{low} to {high}\n{points} points, {rate.clips} of {clips} clips"


def _codecs(results: Results) -> dict[str, CodecEntry]:
    return {codec.name: codec for codec in results.codecs}


def _labels(metrics: Iterable[Metric]) -> Iterator[str]:
    return (metric.label for metric in metrics)


def _cells(values: Mapping[str, float], metrics: Iterable[Metric]) -> Iterator[str]:
    return (number(values.get(metric.name), metric) for metric in metrics)
