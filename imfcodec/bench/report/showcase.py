"""Which pictures the page shows: chosen by rule, so that nobody can pick the best ones.

The codec is the first of ours, at the setting whose mean rate is nearest to
`SHOWN_RATE_KBPS`. The clips are spaced evenly from its worst to its best. Each is compared with the
best anchor of at most `RATE_TOLERANCE` times its rate. If every anchor needs more, it is the best
of those within that factor of their lowest rate.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from imfcodec.bench.report.curves import measured_metrics
from imfcodec.bench.results import Metric, Point, Results
from imfcodec.bench.summary import means

SHOWN_RATE_KBPS: Final = 5.0
RATE_TOLERANCE: Final = 1.25
"""Largest ratio of an anchor's rate to ours, as no anchor has a point at exactly our rate."""


@dataclass(frozen=True)
class Pair:
    """Our point on one clip, and an anchor's; None if no anchor was measured on it."""

    ours: Point
    anchor: Point | None


def ranked_pairs(results: Results) -> tuple[Pair, ...]:
    """Every clip at the shown setting, the worst of ours first; empty if ours has no points."""
    shown = _shown_points(results)
    if not shown or not (metrics := measured_metrics(results)):
        return ()
    headline = metrics[0]
    shown.sort(key=lambda point: _badness(point, headline), reverse=True)
    return tuple(Pair(point, _rival(results, point, headline)) for point in shown)


def spread(pairs: Sequence[Pair], count: int) -> tuple[Pair, ...]:
    """``count`` of them, evenly spaced from first to last, both included."""
    if len(pairs) <= count:
        return tuple(pairs)
    last = len(pairs) - 1
    return tuple(pairs[round(n * last / max(1, count - 1))] for n in range(count))


def worst_pairs(results: Results, count: int) -> tuple[tuple[Pair, Metric], ...]:
    """The clips with the worst 5 % of frames, with the metric that says so, worst first."""
    pairs = ranked_pairs(results)
    for metric in measured_metrics(results):
        ranked = []
        for pair in pairs:
            score = pair.ours.scores.get(metric.name)
            if score is not None and score.worst is not None and score.worst_frame is not None:
                ranked.append((-score.worst if metric.higher_is_better else score.worst, pair))
        if ranked:
            ranked.sort(key=lambda item: item[0], reverse=True)
            return tuple((pair, metric) for _, pair in ranked[:count])
    return ()


def _shown_points(results: Results) -> list[Point]:
    """The points of ours at the shown setting."""
    rows = [row for row in means(results) if row.clips and row.rate_kbps > 0]
    for codec in results.codecs:
        own = [row for row in rows if row.codec == codec.name]
        if codec.role == "ours" and own:
            setting = min(
                own, key=lambda row: abs(math.log(row.rate_kbps / SHOWN_RATE_KBPS))
            ).setting
            shown = (codec.name, setting)
            return [p for p in results.points if not p.error and (p.codec, p.setting) == shown]
    return []


def _rival(results: Results, ours: Point, metric: Metric) -> Point | None:
    anchors = {codec.name for codec in results.codecs if codec.role == "anchor"}
    rivals = [
        p
        for p in results.points
        if p.codec in anchors and p.clip == ours.clip and not p.error and p.rate_kbps > 0
    ]
    if not rivals:
        return None
    limit = RATE_TOLERANCE * max(ours.rate_kbps, min(p.rate_kbps for p in rivals))
    return min((p for p in rivals if p.rate_kbps <= limit), key=lambda p: _badness(p, metric))


def _badness(point: Point, metric: Metric) -> float:
    """Higher is worse; a point without the metric is as bad as can be."""
    score = point.scores.get(metric.name)
    if score is None:
        return math.inf
    return -score.mean if metric.higher_is_better else score.mean
