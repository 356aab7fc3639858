"""Several inputs in one command: which files, in which processes, with which exit code."""

from __future__ import annotations

import dataclasses
import multiprocessing
import os
import signal
import traceback
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NoReturn

import click

from imfcodec.cli.failures import stop_on_signals
from imfcodec.cli.output import show_json, show_line, show_warnings
from imfcodec.cli.text import path_text, plural
from imfcodec.errors import (
    ImfcodecError,
    InputUnreadable,
    OptionError,
    OutputFailed,
    Stopped,
)

if TYPE_CHECKING:
    from imfcodec.cli.records import Record
    from imfcodec.config import DecodeOptions, EncodeOptions

VIDEO_SUFFIXES: Final = frozenset(
    {".mp4", ".mov", ".m4v", ".mkv", ".webm", ".avi", ".ts", ".mts", ".m2ts", ".mpg", ".mpeg"}
    | {".vob", ".m2v", ".dv", ".ogv", ".flv", ".wmv", ".3gp", ".3g2", ".mxf", ".gif", ".apng"}
    | {".y4m"}
)
"""Files of a folder that are taken for videos."""


MAX_PROCESSES: Final = 61
"""Windows allows a pool no more."""


@dataclass(frozen=True)
class Task:
    """One input and its output, both paths."""

    source: str
    target: str


@dataclass(frozen=True)
class Done:
    """What came of a task.

    Attributes:
        line: For people: frames, rate, speed; or why there is no output.
        record: For machines; as a single input gives it.
        warnings: One sentence each.
        exit_code: 0, or that of the error.
    """

    line: str
    record: Record
    warnings: list[str]
    exit_code: int = 0


Work = Callable[[Task, Any], Done]
"""Does a task with the options of the command; a function of a module, so that it can travel."""


def find_inputs(names: Iterable[str], suffixes: frozenset[str]) -> list[Path]:
    """The inputs of a command: files as they are, and the files directly inside folders.

    Raises:
        InputUnreadable: A folder holds no such file.
    """
    found: list[Path] = []
    for name in names:
        path = Path(name)
        if not path.is_dir():
            found.append(path)
            continue
        try:
            inside = sorted(
                p
                for p in path.iterdir()
                if p.suffix.lower() in suffixes and p.is_file() and not p.name.startswith(".")
            )
        except OSError as error:
            raise InputUnreadable(f"{path_text(name)}: {error.strerror or error}") from error
        if not inside:
            raise InputUnreadable(f"{path_text(name)}: no file with a known extension inside")
        found += inside
    return found


def make_folder(folder: Path) -> None:
    """Create a folder for outputs if it is missing.

    Raises:
        OutputFailed: It cannot be created.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputFailed(f"{folder}: {error.strerror or error}") from error


def plan(inputs: Iterable[Path], folder: Path, suffix: str) -> list[Task]:
    """An output in the folder for each input.

    Raises:
        OptionError: Two inputs would have one output, or an input is standard input.
    """
    tasks: dict[str, Task] = {}
    for path in inputs:
        if str(path) == "-":
            raise OptionError("with --output-dir, inputs are files and folders, not '-'")
        task = Task(str(path), str(folder / f"{path.stem}{suffix}"))
        same = task.target.casefold()  # some file systems tell no case apart
        if other := tasks.get(same):
            raise OptionError(
                f"{other.source} and {task.source} would both be written to {task.target}"
            )
        tasks[same] = task
    return list(tasks.values())


def run(
    names: Iterable[str],
    suffixes: frozenset[str],
    target_suffix: str,
    work: Callable[..., Done],
    options: EncodeOptions | DecodeOptions,
    *,
    output_dir: str,
    skip_existing: bool,
    jobs: int,
    ray: str | None,
    as_json: bool,
    quiet: bool,
) -> NoReturn:
    """Do the work on every input; print a line for each, and a summary.

    The command then ends with the exit code of the worst input: the highest one.

    Args:
        names: Files and folders, as the user named them.
        suffixes: Of the files that are taken from folders.
        target_suffix: Of the outputs.
        work: A `Work` that shows a progress bar if ``bars`` is true.
        options: Of the command.
        output_dir: Folder for the outputs; created if it is missing.
        skip_existing: Whether to leave inputs out whose output exists.
        jobs: Inputs that are done at the same time, each in a process of its own.
        ray: Address of a Ray cluster; None for this machine.
        as_json: Whether the summary is for machines.
        quiet: Whether only errors are shown.
    """
    folder = Path(output_dir)
    tasks = plan(find_inputs(names, suffixes), folder, target_suffix)
    make_folder(folder)
    if jobs > 1 and options.threads is None:
        options = dataclasses.replace(options, threads=threads_each(jobs))
    bound: Work = partial(work, bars=jobs == 1 and not (as_json or quiet))
    wanted = [t for t in tasks if not (skip_existing and Path(t.target).exists())]
    skipped = len(tasks) - len(wanted)
    if ray is not None:
        if jobs > 1:
            raise OptionError("--jobs is for this machine; a cluster has as many as its cores")
        from imfcodec.cli.cluster import on_cluster

        results = on_cluster(wanted, bound, options, ray)
    elif jobs > 1:
        results = _in_processes(wanted, bound, options, jobs)
    else:
        results = ((task, _guarded(bound, task, options)) for task in wanted)
    records, codes = [], []
    with closing(results):  # if nobody reads the lines, the processes end as well
        for task, done in results:
            codes.append(done.exit_code)
            records.append({"source": task.source, "target": task.target, **done.record})
            if as_json:
                continue
            line = f"{path_text(task.source)} -> {path_text(task.target)}: {done.line}"
            if not quiet:
                show_line(f"[{len(codes)}/{len(wanted)}] {line}")
                show_warnings(f"{path_text(task.source)}: {warning}" for warning in done.warnings)
            elif done.exit_code:
                show_warnings([line])
    failures = sum(code != 0 for code in codes)
    if as_json:
        counts = {"done": len(codes) - failures, "skipped": skipped, "failed": failures}
        show_json({"files": records, **counts})
    elif not quiet:
        text = f"{plural(len(tasks), 'file')}: {len(codes) - failures} done"
        text += f", {skipped} skipped" if skipped else ""
        show_line(text + (f", {failures} failed" if failures else ""))
    click.get_current_context().exit(max(codes, default=0))


def failed(error: ImfcodecError) -> Done:
    """What an error makes of a task."""
    record = {
        "error": type(error).__name__,
        "message": str(error),
        "exit_code": error.exit_code,
    }
    return Done(str(error), record, [], error.exit_code)


def threads_each(jobs: int) -> int:
    """Threads of each of several processes: the cores are shared out."""
    return max(1, (os.cpu_count() or 1) // jobs)


def _in_processes(
    tasks: list[Task], work: Work, options: Any, jobs: int
) -> Generator[tuple[Task, Done], None, None]:
    """Tasks in processes; when one dies, those that ran are tried again one at a time."""
    waiting, suspects = list(tasks), list[Task]()
    while waiting or suspects:
        alone = bool(suspects)
        queue = suspects[:1] if alone else waiting
        workers = 1 if alone else min(jobs, len(queue), MAX_PROCESSES)
        # Spawned, not forked: torch's threads do not survive a fork.
        context = multiprocessing.get_context("spawn")
        pool = ProcessPoolExecutor(workers, context, _prepare_worker)
        running: dict[Future[Done], Task] = {}
        try:
            while queue or running:
                while queue and len(running) < workers:
                    running[pool.submit(work, queue[0], options)] = queue[0]
                    queue.pop(0)
                finished, _ = wait(running, return_when=FIRST_COMPLETED)
                for future in finished:
                    done = _outcome(future)
                    yield running.pop(future), done
            if alone:
                suspects.pop(0)
        except BrokenProcessPool:
            if alone:
                message = "its process died, perhaps for lack of memory"
                yield suspects.pop(0), failed(ImfcodecError(message))
            else:
                suspects = list(running.values())
        except BaseException:
            for process in multiprocessing.active_children():
                process.terminate()
            raise
        finally:
            pool.shutdown(cancel_futures=True)


def _prepare_worker() -> None:
    # Ctrl-C reaches the whole process group; the parent decides what it means. What the parent
    # then sends unwinds the task, so that no half of an output is left.
    stop_on_signals()
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def _outcome(future: Future[Done]) -> Done:
    try:
        return future.result()
    except (BrokenProcessPool, Stopped):
        raise
    except Exception as error:  # a bug, or no memory: the other files are not to blame
        return unexpected(error)


def unexpected(error: Exception) -> Done:
    """What an exception that is no error of ours makes of a task; its trace goes to stderr."""
    traceback.print_exception(error)
    return failed(ImfcodecError(f"{type(error).__name__}: {error}"))


def _guarded(work: Work, task: Task, options: Any) -> Done:
    try:
        return work(task, options)
    except Stopped:
        raise
    except Exception as error:
        return unexpected(error)


def batch_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """The options of commands that take several inputs."""
    for option in (
        click.option(
            "--ray",
            metavar="ADDRESS",
            help="With --output-dir: do the work on the Ray cluster at ADDRESS, or with 'local' on "
            "a new one on this machine (extra: cluster). Default: on this machine.",
        ),
        click.option(
            "--jobs",
            type=click.IntRange(1, 1024),
            default=1,
            show_default=True,
            metavar="N",
            help="With --output-dir: files that are done at the same time, each in a process of "
            "its own with its share of the cores.",
        ),
        click.option(
            "--skip-existing",
            is_flag=True,
            help="With --output-dir: leave inputs out whose output exists.",
        ),
        click.option(
            "--output-dir",
            type=click.Path(file_okay=False),
            metavar="DIR",
            help="Take several inputs, files or folders, and write one output for each into DIR, "
            "which is created if it is missing.",
        ),
    ):
        command = option(command)
    return command


def taken(options: dict[str, Any]) -> dict[str, Any]:
    """Take the options of `batch_options` out of those of a command."""
    return {name: options.pop(name) for name in ("output_dir", "skip_existing", "jobs", "ray")}


def single(names: tuple[str, ...], batch: dict[str, Any]) -> tuple[str, str]:
    """Input and output of a command without --output-dir.

    Raises:
        click.UsageError: There are not two names, or an option needs --output-dir.
    """
    for option, unset in (("skip_existing", False), ("jobs", 1), ("ray", None)):
        if batch[option] != unset:
            raise click.UsageError(f"--{option.replace('_', '-')} needs --output-dir")
    if len(names) != 2:
        raise click.UsageError(
            "name one input and one output, or any number of inputs with --output-dir DIR"
        )
    return names[0], names[1]
