"""Aggregates of a run: means over clips, and BD-rates between families."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from statistics import fmean

from imfcodec.bench.results import METRICS, Point, Results
from imfcodec.metrics.bd_rate import BdRate, NoBdRate, Refusal, bd_rate

BEST_ANCHOR = "best of all anchors"
"""The envelope of all anchor families together."""


@dataclass(frozen=True)
class Mean:
    """One codec at one setting, over all clips that it coded.

    Attributes:
        codec, setting: Which.
        rate_kbps: Mean of the clips' rates; 0 where every clip failed.
        scores: Mean of each metric that at least one clip has.
        worst: Mean over the clips of the mean over their 5 % worst frames, where there is one.
        counted: Number of clips in each of these means. A clip may lack a metric: without motion,
            for example, it has no motion error.
        clips: Number of clips that were coded, decoded and scored.
        failed: Number of clips that failed; no mean includes them.
        encode_s, decode_s: Means per clip.
    """

    codec: str
    setting: str
    rate_kbps: float
    scores: Mapping[str, float]
    worst: Mapping[str, float]
    counted: Mapping[str, int]
    clips: int
    failed: int
    encode_s: float
    decode_s: float


@dataclass(frozen=True)
class FamilyBdRate:
    """The BD-rate of a family against another: per clip between envelopes, then the mean.

    Attributes:
        family: The one in question.
        anchor: The one it is compared with; `BEST_ANCHOR` for all of them together.
        metric: Name of the metric at equal values of which rates are compared.
        percent: Mean over clips of the change in rate; None where no clip allows a comparison.
        interval: Mean over clips of the lowest and of the highest value of the metric that
            both curves reach; None likewise.
        points: The fewest points that carry a curve in any compared clip, (anchor, family).
        clips: How many clips were compared.
        no_overlap: Clips on which the curves share no value of the metric.
        too_few_points: Clips on which a curve has too few points.
        partly_failed: Clips that were compared although a point of either side failed: the rest
            of a family may be worse than the whole family.
    """

    family: str
    anchor: str
    metric: str
    percent: float | None
    interval: tuple[float, float] | None
    points: tuple[int, int] | None
    clips: int
    no_overlap: tuple[str, ...]
    too_few_points: tuple[str, ...]
    partly_failed: tuple[str, ...]


def means(results: Results) -> list[Mean]:
    """A row for each codec and setting, in the order of the results."""
    groups: dict[tuple[str, str], list[Point]] = {}
    for point in results.points:
        groups.setdefault((point.codec, point.setting), []).append(point)
    return [_mean(codec, setting, points) for (codec, setting), points in groups.items()]


def lacking(results: Results) -> dict[str, int]:
    """How many points of earlier runs lack a metric that this run was asked for, by its name."""
    taken = [p for p in results.points if p.origin is not None and p.error is None]
    wanted = {*results.metric_digests, *(name for p in results.points for name in p.scores)}
    counts = {m.name: sum(m.name not in p.scores for p in taken) for m in METRICS}
    return {name: count for name, count in counts.items() if count and name in wanted}


def bd_rates(results: Results, metric: str) -> list[FamilyBdRate]:
    """BD-rates of ours against every anchor family and against the best of all anchors.

    If our codec took no part, every anchor is compared with every other. The floor is not
    compared: its curve says nothing about motion.

    Raises:
        OptionError: scipy is not installed.
        KeyError: There is no such metric.
    """
    higher = {m.name: m.higher_is_better for m in METRICS}[metric]
    ours = _families(results, "ours")
    anchors = _families(results, "anchor")
    compared = dict(anchors)
    if len(anchors) > 1 and ours:
        compared[BEST_ANCHOR] = frozenset().union(*anchors.values())
    curves = _curves(results, metric)
    clips = list(dict.fromkeys(point.clip for point in results.points))
    rates = []
    for family, members in (ours or anchors).items():
        for anchor, rivals in compared.items():
            if anchor != family:
                by_clip = {
                    clip: bd_rate(
                        _of(curves, clip, rivals),
                        _of(curves, clip, members),
                        higher_is_better=higher,
                    )
                    for clip in clips
                }
                failed = {p.clip for p in results.points if p.error and p.codec in rivals | members}
                rates.append(_family_rate(family, anchor, metric, by_clip, failed))
    return rates


def _mean(codec: str, setting: str, points: list[Point]) -> Mean:
    good = [point for point in points if point.error is None]
    scores = {
        metric.name: [p.scores[metric.name] for p in good if metric.name in p.scores]
        for metric in METRICS
    }
    worst = {name: [s.worst for s in v if s.worst is not None] for name, v in scores.items()}
    return Mean(
        codec=codec,
        setting=setting,
        rate_kbps=fmean(p.rate_kbps for p in good) if good else 0.0,
        scores={name: fmean(s.mean for s in v) for name, v in scores.items() if v},
        worst={name: fmean(v) for name, v in worst.items() if v},
        counted={name: len(v) for name, v in scores.items() if v},
        clips=len(good),
        failed=len(points) - len(good),
        encode_s=fmean(p.encode_s for p in good) if good else 0.0,
        decode_s=fmean(p.decode_s for p in good) if good else 0.0,
    )


def _families(results: Results, role: str) -> dict[str, frozenset[str]]:
    """Names of the codecs of each family of a role."""
    families: dict[str, frozenset[str]] = {}
    for codec in results.codecs:
        if codec.role == role and codec.missing is None:
            families[codec.family] = families.get(codec.family, frozenset()) | {codec.name}
    return families


_Curves = dict[tuple[str, str], list[tuple[float, float]]]


def _curves(results: Results, metric: str) -> _Curves:
    """(rate, metric) of every clip and codec."""
    curves: _Curves = {}
    for point in results.points:
        if point.error is None and metric in point.scores and point.rate_kbps > 0:
            pair = (point.rate_kbps, point.scores[metric].mean)
            curves.setdefault((point.clip, point.codec), []).append(pair)
    return curves


def _of(curves: _Curves, clip: str, codecs: Iterable[str]) -> list[list[tuple[float, float]]]:
    return [curves[clip, codec] for codec in sorted(codecs) if (clip, codec) in curves]


def _family_rate(
    family: str,
    anchor: str,
    metric: str,
    by_clip: Mapping[str, BdRate | NoBdRate],
    failed: Collection[str],
) -> FamilyBdRate:
    found = [rate for rate in by_clip.values() if isinstance(rate, BdRate)]
    refused = {clip: rate.reason for clip, rate in by_clip.items() if isinstance(rate, NoBdRate)}
    percent = interval = points = None
    if found:
        percent = fmean(rate.percent for rate in found)
        lows, highs = zip(*(rate.interval for rate in found), strict=True)
        interval = (fmean(lows), fmean(highs))
        of_anchor, of_family = zip(*(rate.points for rate in found), strict=True)
        points = (min(of_anchor), min(of_family))
    return FamilyBdRate(
        family,
        anchor,
        metric,
        percent,
        interval,
        points,
        clips=len(found),
        no_overlap=tuple(c for c, why in refused.items() if why is Refusal.NO_COMMON_INTERVAL),
        too_few_points=tuple(c for c, why in refused.items() if why is Refusal.TOO_FEW_POINTS),
        partly_failed=tuple(c for c in by_clip if c in failed and c not in refused),
    )
