"""Writes all files of a run."""

from __future__ import annotations

from pathlib import Path

from imfcodec.bench.report.curves import curves, measured_metrics
from imfcodec.bench.report.drawings import drawing
from imfcodec.bench.report.gallery import Gallery, gallery
from imfcodec.bench.report.media import data_uri
from imfcodec.bench.report.page import FigureView, Page
from imfcodec.bench.report.points_csv import write_points
from imfcodec.bench.report.shots import Kept, Pictures, Shots
from imfcodec.bench.results import Results
from imfcodec.bench.speed.result import SpeedResult

MAX_PAGE_BYTES = 40_000_000
"""Of index.html: what a browser opens without delay and a mail server lets through."""


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
        pictures: (clip, codec, setting) -> the decoded frames, uint8 RGB [H, W, 3]; codec
            "source" gives the clip itself. Without it the page shows no videos and no frames.
            What it raises is named on the page.
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
    write_points(results, written[1])
    if speed is not None:
        written.append(folder / "speed.json")
        speed.save(written[-1])
    views = []
    for metric in measured_metrics(results):
        found = curves(results, metric)
        if not found:
            continue
        drawn = drawing(metric, found, len(results.clips), kept.memo if kept else None)
        for ending, data in (("png", drawn.png), ("svg", drawn.svg)):
            written.append(folder / f"{metric.name}.{ending}")
            written[-1].write_bytes(data)
        views.append(
            FigureView(
                data_uri("image/svg+xml", drawn.svg),
                data_uri("image/svg+xml", drawn.dark_svg),
                f"{metric.label} over rate for {', '.join(curve.family for curve in found)}; "
                "the values are in the table of means",
            )
        )
    page = Page(results, tuple(views), speed)
    text = page.render(Gallery())
    if pictures:
        budget_bytes = MAX_PAGE_BYTES - len(text.encode())
        text = page.render(gallery(results, Shots(pictures, kept), budget_bytes))
    written.append(folder / "index.html")
    written[-1].write_text(text, "utf-8")
    return written
