"""A speed measurement as a table for the terminal."""

from __future__ import annotations

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from imfcodec.bench.speed.result import SpeedResult, SpeedRow

HEADING = ("command", "device", "threads", "kbps", "frames/s", "network frames/s", "peak MiB")


def terminal_table(result: SpeedResult) -> RenderableType:
    """One line per command, and below the table the stages of each, ms per frame."""
    # Text, not markup: a name may hold brackets.
    title = Text(f"{result.clip}, {result.width}x{result.height}, {result.frames} frames")
    table = Table(box=None, pad_edge=False)
    for column, name in enumerate(HEADING):
        table.add_column(name, justify="left" if column < 2 else "right")
    stages = []
    for row in result.rows:
        name, *figures = figures_of(row)
        style = "bold" if row.ours else ""
        table.add_row(Text(name, style=style), *figures)
        of = Text(f"{name}, {row.threads} threads, ms per frame: ", style=style)
        stages.append(of.append(stages_text(row), style="not bold"))
    return Group(title, table, "", *stages)


def figures_of(row: SpeedRow) -> tuple[str, ...]:
    """The cells below `HEADING`."""
    return (
        f"{row.task} {row.codec}",
        row.device,
        str(row.threads),
        f"{row.rate_kbps:.2f}",
        f"{row.fps:.1f}",
        "–" if row.network_fps is None else f"{row.network_fps:.1f}",
        f"{row.peak_memory_bytes / 2**20:.0f}",
    )


def stages_text(row: SpeedRow) -> str:
    """Milliseconds per frame, stage by stage."""
    parts = [f"{stage.name} {stage.ms_per_frame:.2f}" for stage in row.stages]
    return ", ".join([*parts, f"other {row.other_ms_per_frame:.2f}"])
