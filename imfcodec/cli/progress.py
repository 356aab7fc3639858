"""Progress bars on stderr, if it is a terminal."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from imfcodec.cli.options import shows_progress
from imfcodec.config import EncodeOptions
from imfcodec.errors import ImfcodecError

Advance = Callable[[int, float], None]
"""Takes the number of frames done and their duration in seconds."""

AdvanceJobs = Callable[[int, int], None]
"""Takes the number of jobs done and of all jobs. Jobs done at the first call took no time."""


@contextmanager
def progress(what: str, duration_s: Callable[[], float | None]) -> Iterator[Advance | None]:
    """Show frames, frames per second and time left while the body runs.

    Args:
        what: A word for the work.
        duration_s: Finds the duration of the video, None if unknown; called only for a bar.

    Yields:
        A function to call at each advance; None if no bar is shown.
    """
    with _bar(what) as update:
        if update is None:
            yield None
            return
        total, begun = duration_s(), time.perf_counter()
        update(0.0, total, "0 frames, 0.0 fps")

        def advance(frames: int, seconds: float) -> None:
            fps = frames / (time.perf_counter() - begun)
            update(seconds, total, f"{frames} frames, {fps:.1f} fps")

        yield advance


@contextmanager
def job_progress(what: str) -> Iterator[AdvanceJobs | None]:
    """Show jobs done and time left while the body runs; arguments as in `progress`."""
    with _bar(what) as update:
        yield update and (lambda done, total: update(done, total, f"{done}/{total}"))


@contextmanager
def _bar(what: str) -> Iterator[Callable[[float, float | None, str], None] | None]:
    """A bar that takes what is done, the total, and a text; None if none is shown."""
    if not shows_progress():
        yield None
        return
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    with Progress(
        TextColumn("{task.description}", markup=False),  # a file name may look like markup
        BarColumn(),
        TextColumn("{task.fields[text]}"),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(compact=True),
        console=Console(stderr=True),
        transient=True,
        # Redirection would replace stdout, which may carry a stream, by an object of rich.
        redirect_stdout=False,
        redirect_stderr=False,
        # Jobs differ in time by a factor of 100, and frames are done in packets of several
        # seconds: only a long look back says how long the rest takes.
        speed_estimate_period=600,
    ) as bars:

        def update(done: float, total: float | None, text: str) -> None:
            if not bars.task_ids:
                bars.add_task(what, total=total, completed=done, text=text)  # type: ignore[arg-type]
            else:
                bars.update(bars.task_ids[0], completed=done, text=text)

        yield update


def video_duration_s(source: str | Path, options: EncodeOptions | None = None) -> float | None:
    """Duration in a video file's header; None for a pipe or if the header has none.

    Nothing is raised: the next to open the file has the better message.
    """
    if not Path(source).is_file():  # a pipe could not be read a second time
        return None
    from imfcodec.media import AudioMode, MediaReader
    from imfcodec.media.timing import exact

    options = options or EncodeOptions()
    begin_s = exact(options.begin_s)
    end_s = None if options.end_s is None else exact(options.end_s)
    with (
        suppress(ImfcodecError),
        MediaReader(source, audio=AudioMode.NONE, begin_s=begin_s, end_s=end_s) as reader,
    ):
        return reader.info.duration_s
    return None


def stream_duration_s(source: str | Path, options: object = None) -> float | None:
    """Duration of an .imf file; None for a pipe or a broken file. Reads the whole file."""
    if not Path(source).is_file():
        return None
    from imfcodec.receiver.inspection import inspect

    with suppress(ImfcodecError):
        return inspect(source).duration_s
    return None
