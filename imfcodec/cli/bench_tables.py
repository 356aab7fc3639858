"""Means, BD-rates and speed of a benchmark as tables for the terminal.

A terminal is narrow, so each part of the picture and the worst frames have their own tables.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from imfcodec.bench.speed.result import Playing, RealTime, SpeedResult
    from imfcodec.bench.summary import FamilyBdRate, Mean

Table = list[tuple[str, ...]]
"""Rows of cells; the first row is the heading."""


def means_tables(rows: Sequence[Mean], *, by_name: bool) -> Iterator[Table]:
    """Means over clips: the whole picture, its 5 % worst frames, each of `REGIONS`.

    Args:
        rows: One per codec and setting.
        by_name: Whether metrics were asked for by name; if not, only the table of the whole
            picture is made, and the report has the rest.
    """
    from imfcodec.bench.results import METRICS, REGIONS

    held = {name for row in rows for name in row.scores}
    names = [metric.name for metric in METRICS if metric.name in held]
    whole = [name for name in names if not name.startswith(REGIONS)]
    heading, *body = _table(rows, "codec", whole, _mean)
    counted = zip(body, rows, strict=True)
    yield [
        (*heading, "clips", "failed"),
        *((*cells, str(row.clips), str(row.failed)) for cells, row in counted),
    ]
    if not by_name:
        return
    worst = [name for name in whole if any(name in row.worst for row in rows)]
    if worst:
        yield _table(rows, "5 % worst frames", worst, _worst)
    for region in REGIONS:
        if columns := [name for name in names if name.startswith(region)]:
            yield _table(rows, region, columns, _mean)


def _table(
    rows: Sequence[Mean], title: str, names: list[str], cell: Callable[[Mean, str], str]
) -> Table:
    """Codec, setting and rate, then a column for each metric."""
    table: Table = [(title, "setting", "kbps", *(n.removeprefix(f"{title}_") for n in names))]
    for row in rows:
        rate = f"{row.rate_kbps:.2f}" if row.clips else "-"
        table.append((row.codec, row.setting, rate, *(cell(row, name) for name in names)))
    return table


def _mean(row: Mean, name: str) -> str:
    if name not in row.scores:
        return "-"
    text = _number(row.scores[name], name)
    # Show the number of clips if it is smaller than the row's.
    return text if row.counted[name] == row.clips else f"{text} ({row.counted[name]})"


def _worst(row: Mean, name: str) -> str:
    return _number(row.worst[name], name) if name in row.worst else "-"


def _number(value: float, name: str) -> str:
    return f"{value:.{2 if name.endswith('_db') or name == 'vmaf' else 4}f}"


def savings_table(rows: Sequence[FamilyBdRate]) -> Table:
    """BD-rates, with the interval and the counts that they rest on."""
    table: Table = [
        ("BD-rate of", "against", "by", "rate", "interval", "points", "clips", "left out")
    ]
    for row in rows:
        left_out = [
            f"{len(clips)} {why}"
            for clips, why in (
                (row.no_overlap, "no overlap"),
                (row.too_few_points, "few points"),
                (row.partly_failed, "with failed points"),
            )
            if clips
        ]
        cells = (
            row.family,
            row.anchor,
            row.metric,
            "-" if row.percent is None else f"{row.percent:+.1f} %",
            "-" if row.interval is None else f"{row.interval[0]:.4g} to {row.interval[1]:.4g}",
            "-" if row.points is None else "{1} on {0}".format(*row.points),
            str(row.clips),
            ", ".join(left_out) or "-",
        )
        table.append(cells)
    return table


def speed_tables(speed: SpeedResult) -> tuple[Table, Table]:
    """Whole commands, and milliseconds per frame in each of their stages."""
    from imfcodec.bench.speed.result import HEADING, figures_of

    clip = f"{speed.clip}, {speed.width}x{speed.height}, {speed.frames} frames"
    stages: Table = [(clip, "threads", "ms per frame")]
    for row in speed.rows:
        times = [f"{stage.name} {stage.ms_per_frame:.2f}" for stage in row.stages]
        times.append(f"other {row.other_ms_per_frame:.2f}")
        stages.append((f"{row.task} {row.codec}", str(row.threads), ", ".join(times)))
    return [HEADING, *map(figures_of, speed.rows)], stages


def real_time_table(rows: Sequence[RealTime]) -> Table:
    """A line for each figure, a column for each clip."""
    one = rows[0]
    cells: list[tuple[str, Callable[[RealTime], str]]] = [
        ("picture", lambda row: f"{row.width}x{row.height}, {row.frames} frames"),
        ("frames/s of the clip", lambda row: f"{row.rate_fps:.4g}"),
        ("threads", lambda row: str(row.threads)),
        ("kbps", lambda row: f"{row.rate_kbps:.2f}"),
        *(_encoding(preset) for preset in one.encode_fps),
        ("encode live, frames/s", lambda row: f"{row.live_fps:.1f}"),
        ("longest live frame, ms", lambda row: f"{1000 * row.longest_live_s:.0f}"),
    ]
    for engine in one.decoding:
        cells += _playing(f"decode, {engine}", engine, lambda row: row.decoding)
    for engine in one.live_decoding:
        cells += _playing(f"decode live, {engine}", engine, lambda row: row.live_decoding)
    cells.append(("x264 medium encode, frames/s", lambda row: f"{row.x264_fps:.0f}"))
    heading = ("figure", *(row.clip for row in rows))
    return [heading, *((name, *map(text, rows)) for name, text in cells)]


def _encoding(preset: str) -> tuple[str, Callable[[RealTime], str]]:
    return f"encode {preset}, frames/s", lambda row: f"{row.encode_fps[preset]:.1f}"


def _playing(
    name: str, engine: str, of: Callable[[RealTime], dict[str, Playing]]
) -> list[tuple[str, Callable[[RealTime], str]]]:
    """The lines of one way to decode."""

    def line(what: str, text: Callable[[Playing], str]) -> tuple[str, Callable[[RealTime], str]]:
        return f"{name}, {what}", lambda row: text(of(row)[engine])

    return [
        line("frames/s", lambda playing: f"{playing.fps:.1f}"),
        line("peak MiB", lambda playing: f"{playing.memory_bytes / 2**20:.0f}"),
        line("first picture, s", lambda playing: f"{playing.first_picture_s:.2f}"),
        line("longest gap, ms", lambda playing: f"{1000 * playing.longest_gap_s:.0f}"),
    ]
