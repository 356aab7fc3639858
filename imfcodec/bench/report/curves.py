"""Rate-distortion curves: means over clips, the best of each family at every rate."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

import numpy as np

from imfcodec.bench.results import METRICS, Metric, Results
from imfcodec.bench.summary import Mean, means
from imfcodec.metrics.bd_rate import Envelope, front

_LINE_POINTS: Final = 160


@dataclass(frozen=True)
class CurvePoint:
    """Means over clips of one codec at one setting.

    Attributes:
        rate_kbps: Above 0.
        value: Of the metric, finite.
        complete: Whether every clip of the run is in the mean: none failed or lacks the metric.
    """

    rate_kbps: float
    value: float
    complete: bool


@dataclass(frozen=True)
class Curve:
    """What one family of codecs can do.

    Attributes:
        family: Its name.
        role: "ours", "anchor" or "floor".
        envelope: The points that no other point of the family beats, by rising rate; an
            incomplete mean beats none.
        line: (rate in kbit/s, value) along the curve as BD-rate takes it: the least rate of any
            member at each value, interpolated; NaN where no member reaches a value.
        members: All points of each codec of the family, by rising rate.
    """

    family: str
    role: str
    envelope: tuple[CurvePoint, ...]
    line: tuple[tuple[float, float], ...]
    members: tuple[tuple[CurvePoint, ...], ...]


def measured_metrics(results: Results) -> tuple[Metric, ...]:
    """The metrics that at least one point holds, the headline first."""
    held = {name for point in results.points for name in point.scores}
    return tuple(metric for metric in METRICS if metric.name in held)


def curves(results: Results, metric: Metric) -> tuple[Curve, ...]:
    """One curve per family that has a value of the metric, in the order of the codecs."""
    rows = [row for row in means(results) if math.isfinite(row.scores.get(metric.name, math.nan))]
    found = []
    for family in dict.fromkeys(codec.family for codec in results.codecs):
        codecs = [codec for codec in results.codecs if codec.family == family]
        points = (_points(results, rows, codec.name, metric) for codec in codecs)
        if members := tuple(filter(None, points)):
            envelope = best((p for points in members for p in points), metric)
            line = _line(members, metric)
            found.append(Curve(family, codecs[0].role, envelope, line, members))
    return tuple(found)


def best(points: Iterable[CurvePoint], metric: Metric) -> tuple[CurvePoint, ...]:
    """The points that no cheaper point equals or beats, by rising rate.

    A mean that lacks clips may be so good because it lacks them: it drops no complete one.
    """
    by_values = {(p.rate_kbps, p.value): p for p in points}
    complete = [values for values, point in by_values.items() if point.complete]
    kept = {
        *front(complete, higher_is_better=metric.higher_is_better),
        *front(by_values, higher_is_better=metric.higher_is_better),
    }
    return tuple(by_values[values] for values in sorted(kept))


def _line(
    members: Iterable[tuple[CurvePoint, ...]], metric: Metric
) -> tuple[tuple[float, float], ...]:
    """Through complete means, or through all where there are not two complete ones."""
    everything = [[(p.rate_kbps, p.value) for p in points] for points in members]
    whole = [[(p.rate_kbps, p.value) for p in points if p.complete] for points in members]
    for curves in (whole, everything):
        envelope = Envelope(curves, higher_is_better=metric.higher_is_better)
        if envelope.low < envelope.high:
            values = np.linspace(envelope.low, envelope.high, _LINE_POINTS)
            rates = np.exp(envelope.log_rate(values))
            return tuple(zip(rates.tolist(), values.tolist(), strict=True))
    return ()


def _points(
    results: Results, rows: Iterable[Mean], codec: str, metric: Metric
) -> tuple[CurvePoint, ...]:
    points = [
        CurvePoint(
            row.rate_kbps,
            row.scores[metric.name],
            complete=not row.failed and row.counted[metric.name] == len(results.clips),
        )
        for row in rows
        if row.codec == codec and row.rate_kbps > 0
    ]
    return tuple(sorted(points, key=lambda point: point.rate_kbps))
