"""Jobs done and time left while a benchmark runs."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

Report = Callable[[int, int], None]
"""Takes the jobs done and all jobs. What is done at the first call took no time."""


@contextmanager
def job_progress(what: str, *, wanted: bool) -> Iterator[Report | None]:
    """Show a bar on stderr while the body runs.

    Args:
        what: A word for what is done.
        wanted: Whether a bar is wanted where there is a terminal to show it.

    Yields:
        What to call with each advance; None where nothing is shown.
    """
    if not wanted or sys.stderr is None or not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
    )
    with Progress(
        *columns,
        console=Console(stderr=True),
        transient=True,
        redirect_stdout=False,
        redirect_stderr=False,
        # Jobs differ by a factor of a hundred: only a long look back says what they take.
        speed_estimate_period=600,
    ) as bars:
        task = None

        def advance(done: int, total: int) -> None:
            nonlocal task
            if task is None:
                task = bars.add_task(what, total=total, completed=done)
            else:
                bars.update(task, completed=done)

        yield advance
