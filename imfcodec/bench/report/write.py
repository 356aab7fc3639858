"""Writes all files of a run."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path

from imfcodec.bench.report.curves import curves, measured_metrics
from imfcodec.bench.report.figures import drawing
from imfcodec.bench.report.gallery import Gallery, Kept, Pictures, gallery
from imfcodec.bench.report.media import data_uri
from imfcodec.bench.report.page import FigureView, Page
from imfcodec.bench.results import Metric, Point, Results
from imfcodec.bench.speed.result import SpeedResult

MAX_PAGE_BYTES = 40_000_000
"""Of index.html: what a browser opens without delay and a mail server lets through."""


_COUNTS = ("size_bytes", "rate_kbps", "frames", "encode_s", "decode_s")
"""Columns of points.csv; empty where the point failed."""


def write_report(
    results: Results,
    folder: Path,
    *,
    pictures: Pictures | None = None,
    kept: Kept | None = None,
    speed: SpeedResult | None = None,
) -> list[Path]:
    """Write results.json, points.csv, curves and index.html.

    Args:
        results: What was measured.
        folder: Where to; made if missing. Files of an earlier report are replaced.
        pictures: Decodes. Without it the page shows no videos and no frames. What it raises is
            named on the page.
        kept: Where videos, frames and figures are kept for the next report of the same points;
            without it everything is made anew.
        speed: Of `measure_speed`; also written as speed.json.

    Returns:
        The files, the page last.

    Raises:
        OptionError: matplotlib, Jinja2 or scipy is not installed.
        OSError: The folder cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    written = [folder / "results.json", folder / "points.csv"]
    results.save(written[0])
    _write_points(results, written[1])
    if speed is not None:
        written.append(folder / "speed.json")
        speed.save(written[-1])
    views = []
    for metric in measured_metrics(results):
        found = curves(results, metric)
        if not found:
            continue
        memo = kept.memo if kept else None
        png, svg, dark_svg = drawing(metric, found, len(results.clips), memo)
        for ending, data in (("png", png), ("svg", svg)):
            written.append(folder / f"{metric.name}.{ending}")
            written[-1].write_bytes(data)
        views.append(
            FigureView(
                data_uri("image/svg+xml", svg),
                data_uri("image/svg+xml", dark_svg),
                f"{metric.label} over rate for {', '.join(curve.family for curve in found)}; "
                "the values are in the table of means",
            )
        )
    page = Page(results, views, speed)
    text = page.render(Gallery())
    if pictures:
        budget_bytes = MAX_PAGE_BYTES - len(text.encode())
        text = page.render(gallery(results, pictures, kept, budget_bytes))
    written.append(folder / "index.html")
    written[-1].write_text(text, "utf-8")
    return written


def _write_points(results: Results, path: Path) -> None:
    """Every point with every metric, one a line; what was not measured is empty."""
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
