"""Tables of the page, as text in cells."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from imfcodec.bench.report.curves import measured_metrics
from imfcodec.bench.report.showcase import Pair
from imfcodec.bench.results import Metric, Point, Results, Score
from imfcodec.bench.speed.result import SpeedResult
from imfcodec.bench.speed.terminal import HEADING, figures_of
from imfcodec.bench.summary import Mean, means

NOTHING = "–"
"""A cell without a value."""


@dataclass(frozen=True)
class Row:
    """Cells, the first one naming the row; ``strong`` for ours."""

    cells: tuple[str, ...]
    strong: bool = False


@dataclass(frozen=True)
class Table:
    """A table.

    Attributes:
        caption: What it shows.
        heading: One name per column.
        rows: As many cells each.
        names: How many columns hold words; the others hold numbers.
    """

    caption: str
    heading: tuple[str, ...]
    rows: tuple[Row, ...]
    names: int = 1


def number(value: float | None, metric: Metric | None = None) -> str:
    """A value with as many digits as it has meaning."""
    if value is None or math.isnan(value):
        return NOTHING
    if math.isinf(value):
        return "∞" if value > 0 else "−∞"
    coarse = metric is not None and (metric.name.endswith("_db") or metric.name == "vmaf")
    return f"{value:.2f}" if coarse else f"{value:.4f}" if abs(value) < 1 else f"{value:.3f}"


def means_table(results: Results) -> Table:
    """Every codec at every setting: means over clips."""
    metrics = measured_metrics(results)
    heading = ("codec", "setting", "clips", "kbps", *(metric.label for metric in metrics))
    rows = tuple(
        _mean_row(
            results,
            mean,
            f"{mean.clips}" if not mean.failed else f"{mean.clips} ({mean.failed} failed)",
            f"{mean.rate_kbps:.2f}" if mean.clips else NOTHING,
            *(number(mean.scores.get(metric.name), metric) for metric in metrics),
        )
        for mean in means(results)
    )
    return Table("Means over the clips of every setting", heading, rows, names=2)


def worst_table(results: Results) -> Table:
    """The same for the 5 % worst frames of each clip; no rows where no metric has them."""
    found = means(results)
    held = {name for row in found for name in row.worst}
    metrics = tuple(m for m in measured_metrics(results) if m.name in held)
    heading = ("codec", "setting", "kbps", *(metric.label for metric in metrics))
    rows = tuple(
        _mean_row(
            results,
            mean,
            f"{mean.rate_kbps:.2f}",
            *(number(mean.worst.get(metric.name), metric) for metric in metrics),
        )
        for mean in found
        if mean.worst
    )
    return Table("Means over the 5 % worst frames of every clip", heading, rows, names=2)


def _mean_row(results: Results, mean: Mean, *cells: str) -> Row:
    """A row of means, after the names of codec and setting."""
    codec = next(codec for codec in results.codecs if codec.name == mean.codec)
    return Row((codec.label, mean.setting, *cells), codec.role == "ours")


def clips_table(results: Results, pairs: tuple[Pair, ...]) -> Table:
    """For each clip, the codec that the page shows and the anchor that it is compared with."""
    metrics = measured_metrics(results)
    labels = {codec.name: codec.label for codec in results.codecs}
    rows = []
    for pair in pairs:
        for point in (pair.ours, pair.anchor):
            if point is not None:
                values = (number(_mean(point.scores, m), m) for m in metrics)
                rate = f"{point.rate_kbps:.2f}"
                cells = (point.clip, labels[point.codec], point.setting, rate, *values)
                rows.append(Row(cells, point is pair.ours))
    heading = ("clip", "codec", "setting", "kbps", *(metric.label for metric in metrics))
    return Table(
        "Ours and the best anchor near its rate, worst clip first",
        heading,
        rows=tuple(rows),
        names=3,
    )


def coding_speed_table(results: Results) -> Table:
    """Frames per second of every codec over the clips of each setting."""
    codecs = {codec.name: codec for codec in results.codecs}
    groups: dict[tuple[str, str], list[Point]] = {}
    for point in results.points:
        # Those of earlier runs were timed on other machines.
        if not point.error and point.origin is None:
            groups.setdefault((point.codec, point.setting), []).append(point)
    rows = []
    for (name, setting), points in groups.items():
        frames = sum(point.frames for point in points)
        encode_s = sum(point.encode_s for point in points)
        decode_s = sum(point.decode_s for point in points)
        speeds = (f"{frames / s:.1f}" if s > 0 else NOTHING for s in (encode_s, decode_s))
        codec = codecs[name]
        rows.append(Row((codec.label, setting, *speeds), codec.role == "ours"))
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
        name, device, threads, *_ = figures_of(row)
        cells = (held.get(stage, NOTHING) for stage in stages)
        times.append(
            Row((name, device, threads, *cells, f"{row.other_ms_per_frame:.2f}"), row.ours)
        )
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


def _mean(scores: Mapping[str, Score], metric: Metric) -> float | None:
    score = scores.get(metric.name)
    return None if score is None else score.mean
