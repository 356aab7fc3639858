"""What a run did not measure: shown first, so that no mean hides it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from imfcodec.bench.results import Results
from imfcodec.bench.summary import lacking

_SHOWN = 12


@dataclass(frozen=True)
class Gap:
    """One kind of thing that is missing.

    Attributes:
        title: Which kind, with the count.
        lines: One per case.
        more: How many further cases are not listed.
    """

    title: str
    lines: tuple[str, ...]
    more: int = 0


def gaps(results: Results, unshown: Iterable[str] = ()) -> tuple[Gap, ...]:
    """Failed and absent points, codecs, metrics, and pictures that could not be shown."""
    kinds = (
        ("Failed points", _failed(results)),
        ("Settings that lack clips", _absent(results)),
        ("Codecs that did not run", _codecs(results)),
        ("Metrics that could not be measured", _metrics(results)),
        ("Metrics that points of earlier runs lack", _lacking(results)),
        ("Videos and frames that are not shown", iter(unshown)),
    )
    found = []
    for title, lines in kinds:
        listed = list(lines)
        if listed:
            shown = tuple(listed[:_SHOWN])
            found.append(Gap(f"{title}: {len(listed)}", shown, len(listed) - len(shown)))
    return tuple(found)


def _failed(results: Results) -> Iterator[str]:
    for point in results.points:
        if point.error is not None:
            yield f"{point.clip}, {point.codec} at {point.setting}: {point.error}"


def _absent(results: Results) -> Iterator[str]:
    """Points that other clips have: a run that was interrupted."""
    held = {(p.clip, p.codec, p.setting) for p in results.points}
    settings = dict.fromkeys((p.codec, p.setting) for p in results.points)
    for codec, setting in settings:
        lacking = [c.name for c in results.clips if (c.name, codec, setting) not in held]
        if lacking:
            yield f"{codec} at {setting}: {len(lacking)} of {len(results.clips)} clips"


def _codecs(results: Results) -> Iterator[str]:
    measured = {point.codec for point in results.points}
    for codec in results.codecs:
        if codec.missing is not None:
            yield f"{codec.label}: {codec.missing}"
        elif codec.name not in measured:
            yield f"{codec.label}: no point of it was measured"


def _lacking(results: Results) -> Iterator[str]:
    for name, count in lacking(results).items():
        points = "1 point" if count == 1 else f"{count} points"
        yield f"{name}: {points}; no mean and no BD-rate counts them"


def _metrics(results: Results) -> Iterator[str]:
    for name, reason in results.metrics_missing.items():
        yield f"{name}: {reason}"
