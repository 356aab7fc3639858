"""BD-rates as tables, with intervals and counts so that a reader can judge them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from imfcodec.bench.report.table import NOTHING, Row, Table, number
from imfcodec.bench.results import Metric
from imfcodec.bench.summary import FamilyBdRate

Compared = Mapping[Metric, Sequence[FamilyBdRate]]
"""What `summary.bd_rates` found, for each metric."""


def bd_tables(compared: Compared, clips: int) -> tuple[Table, ...]:
    """One table per family of ours: a row per metric, a column per anchor family.

    Args:
        compared: All comparisons.
        clips: How many the run has.
    """
    families = dict.fromkeys(rate.family for rates in compared.values() for rate in rates)
    return tuple(_table(family, compared, clips) for family in families)


def refusals(compared: Compared) -> tuple[str, ...]:
    """A line for each comparison that left clips or points out, and why."""
    return tuple(
        line
        for metric, rates in compared.items()
        for rate in rates
        for line in _refusal(rate, metric)
    )


def percent_text(percent: float) -> str:
    """Signed, in whole percent above ten and with a decimal below."""
    digits = 0 if abs(percent) >= 10 else 1
    return f"{percent:+.{digits}f} %".replace("-", "−")


def _table(family: str, compared: Compared, clips: int) -> Table:
    rates = {m: [r for r in found if r.family == family] for m, found in compared.items()}
    anchors = tuple(dict.fromkeys(r.anchor for found in rates.values() for r in found))
    rows = tuple(
        Row((metric.label, *(_cell(rate, metric, clips) for rate in found)))
        for metric, found in rates.items()
        if found
    )
    return Table(
        f"BD-rate of {family}; below each, the interval of the metric, the fewest points on "
        "the anchor's and on its own curve, and the clips that could be compared",
        ("metric", *(f"against {anchor}" for anchor in anchors)),
        rows,
    )


def _cell(rate: FamilyBdRate, metric: Metric, clips: int) -> str:
    if rate.percent is None or rate.interval is None or rate.points is None:
        return NOTHING
    low, high = (number(value, metric) for value in rate.interval)
    points = "/".join(map(str, rate.points))
    return (
        f"{percent_text(rate.percent)}\n{low} to {high}\n"
        f"{points} points, {rate.clips} of {clips} clips"
    )


def _refusal(rate: FamilyBdRate, metric: Metric) -> Iterator[str]:
    what = f"{metric.label}, {rate.family} against {rate.anchor}"
    if rate.no_overlap:
        yield f"{what}: no common interval on {_names(rate.no_overlap)}"
    if rate.too_few_points:
        yield f"{what}: too few points on {_names(rate.too_few_points)}"
    if rate.partly_failed:
        yield f"{what}: compared with points missing on {_names(rate.partly_failed)}"


def _names(clips: tuple[str, ...], most: int = 8) -> str:
    more = f" and {len(clips) - most} more" if len(clips) > most else ""
    return ", ".join(clips[:most]) + more
