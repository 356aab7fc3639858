"""Every point with every metric, one a line, for spreadsheets and other programs."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path

from imfcodec.bench.report.curves import measured_metrics
from imfcodec.bench.results import Metric, Point, Results

_COUNTS = ("size_bytes", "rate_kbps", "frames", "encode_s", "decode_s")


def write_points(results: Results, path: Path) -> None:
    """Write a CSV: clip, codec and setting, what was counted, the metrics, the error.

    Each metric has its mean and, as ``_worst`` and ``_worst_frame``, the mean of the 5 % worst
    frames and the number of the worst one. What was not measured is empty.
    """
    metrics = measured_metrics(results)
    codecs = {codec.name: codec for codec in results.codecs}
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        heading = [f"{m.name}{part}" for m in metrics for part in ("", "_worst", "_worst_frame")]
        writer.writerow(["clip", "codec", "family", "role", "setting", *_COUNTS, *heading, "error"])
        for point in results.points:
            codec = codecs[point.codec]
            counts = ["" if point.error else getattr(point, name) for name in _COUNTS]
            writer.writerow(
                [
                    *(point.clip, point.codec, codec.family, codec.role, point.setting),
                    *counts,
                    *_scores(point, metrics),
                    point.error or "",
                ]
            )


def _scores(point: Point, metrics: tuple[Metric, ...]) -> Iterator[object]:
    for metric in metrics:
        score = point.scores.get(metric.name)
        yield from ("", "", "") if score is None else (score.mean, score.worst, score.worst_frame)
