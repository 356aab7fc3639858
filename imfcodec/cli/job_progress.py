"""A progress bar: jobs done and time left."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

Report = Callable[[int, int], None]
"""Takes the number of jobs done and of all jobs. Jobs done at the first call took no time."""


@contextmanager
def job_progress(what: str, *, wanted: bool) -> Iterator[Report | None]:
    """Show a bar on stderr while the body runs.

    Args:
        what: A word for the work.
        wanted: Whether to show a bar if stderr is a terminal.

    Yields:
        A function to call at each advance; None if no bar is shown.
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
        # Job times differ by a factor of 100: only a long window gives a usable mean.
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
