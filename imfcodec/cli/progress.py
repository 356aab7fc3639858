"""A progress bar: frames, frames per second and time left."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from fractions import Fraction
from pathlib import Path

from imfcodec.config import EncodeOptions
from imfcodec.errors import ImfcodecError

Report = Callable[[int, float], None]
"""Takes the number of frames done and their duration in seconds."""


@contextmanager
def progress(
    what: str, duration_s: Callable[[], float | None], *, wanted: bool
) -> Iterator[Report | None]:
    """Show a bar on stderr while the body runs.

    Args:
        what: A word for the work.
        duration_s: Finds the duration of the video, None if unknown; called only for a bar.
        wanted: Whether to show a bar if stderr is a terminal.

    Yields:
        A function to call at each advance; None if no bar is shown.
    """
    if not wanted or sys.stderr is None or not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (
        TextColumn("{task.description}", markup=False),  # a file name may look like markup
        BarColumn(),
        TextColumn("{task.fields[frames]} frames, {task.fields[fps]:.1f} fps, left"),
        TimeRemainingColumn(compact=True),
    )
    # Redirection would replace stdout, which may carry a stream, by an object of rich.
    with Progress(
        *columns,
        console=Console(stderr=True),
        transient=True,
        redirect_stdout=False,
        redirect_stderr=False,
        # Work is done in packets of several seconds: only a long look back says how long it takes.
        speed_estimate_period=600,
    ) as bars:
        task = bars.add_task(what, total=duration_s(), frames=0, fps=0.0)
        begun = time.perf_counter()

        def advance(frames: int, seconds: float) -> None:
            fps = frames / (time.perf_counter() - begun)
            bars.update(task, completed=seconds, frames=frames, fps=fps)

        yield advance


def video_duration_s(source: str | Path, options: EncodeOptions | None = None) -> float | None:
    """Duration in a video file's header; None for a pipe or if the header has none.

    Nothing is raised: the next to open the file has the better message.
    """
    if not Path(source).is_file():  # a pipe could not be read a second time
        return None
    from imfcodec.media import AudioMode, MediaReader
    from imfcodec.media.timing import exact

    begin_s = exact(options.begin_s) if options else Fraction(0)
    end_s = exact(options.end_s) if options and options.end_s is not None else None
    with (
        suppress(ImfcodecError),
        MediaReader(source, audio=AudioMode.NONE, begin_s=begin_s, end_s=end_s) as reader,
    ):
        return reader.info.duration_s
    return None


def stream_duration_s(source: str | Path) -> float | None:
    """Duration of an .imf file; None for a pipe or a broken file. Reads the whole file."""
    if not Path(source).is_file():
        return None
    from imfcodec.receiver.inspection import inspect

    with suppress(ImfcodecError):
        return inspect(source).duration_s
    return None
