"""Frames, rate and time left while a command works."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from imfcodec.errors import ImfcodecError

Report = Callable[[int, float], None]
"""Takes the frames done and the seconds of video that they make."""


@contextmanager
def progress(
    what: str, duration_s: Callable[[], float | None], *, wanted: bool
) -> Iterator[Report | None]:
    """Show a bar on stderr while the body runs.

    Args:
        what: A word for what is done.
        duration_s: Finds the duration of the video, None if unknown; asked only for a bar.
        wanted: Whether a bar is wanted where there is a terminal to show it.

    Yields:
        What to call with each advance; None where nothing is shown.
    """
    if not wanted or sys.stderr is None or not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.fields[frames]} frames, {task.fields[fps]:.1f} fps, left"),
        TimeRemainingColumn(compact=True),
    )
    # Redirection would put an object of rich's in the place of stdout, which carries streams.
    with Progress(
        *columns,
        console=Console(stderr=True),
        transient=True,
        redirect_stdout=False,
        redirect_stderr=False,
    ) as bars:
        task = bars.add_task(what, total=duration_s(), frames=0, fps=0.0)
        begun = time.perf_counter()

        def advance(frames: int, seconds: float) -> None:
            fps = frames / (time.perf_counter() - begun)
            bars.update(task, completed=seconds, frames=frames, fps=fps)

        yield advance


def video_duration_s(source: str | Path) -> float | None:
    """What a video file says of its duration; None for pipes and for files that do not say.

    Nothing is raised: whoever opens the file next does so with the better message.
    """
    if not Path(source).is_file():  # a pipe could not be read a second time
        return None
    from imfcodec.video import AudioMode, MediaReader

    with suppress(ImfcodecError), MediaReader(source, audio=AudioMode.NONE) as reader:
        return reader.info.duration_s
    return None


def stream_duration_s(source: str | Path) -> float | None:
    """The duration of an .imf file; None for pipes and broken files. Reads all of it."""
    if not Path(source).is_file():
        return None
    from imfcodec.receiver.inspection import inspect

    with suppress(ImfcodecError):
        return inspect(source).duration_s
    return None
