"""What `encode` and `decode` have in common: one input or many, a report, an exit code."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn, TypeAlias, cast

import click

from imfcodec.cli.options import is_quiet, options_of, wants_json
from imfcodec.cli.output import (
    Row,
    check_standard_streams,
    make_folder,
    show_json,
    show_line,
    show_result,
    show_warnings,
)
from imfcodec.cli.progress import Advance, progress
from imfcodec.cli.records import file_bytes
from imfcodec.cli.tasks import Done, Task, failed, in_processes, in_this_process, on_cluster
from imfcodec.cli.text import path_text, plural
from imfcodec.errors import DamagedStream, ImfcodecError, InputUnreadable, OptionError

if TYPE_CHECKING:
    from imfcodec.config import DecodeOptions, EncodeOptions
    from imfcodec.receiver.report import DecodeReport
    from imfcodec.sender.report import EncodeReport

    Report: TypeAlias = EncodeReport | DecodeReport


@dataclass(frozen=True)
class BatchOptions:
    """Options of commands that take several inputs.

    Attributes:
        output_dir: Take several inputs, files or folders, and write one output for each into DIR,
            which is created if it is missing.
        skip_existing: With `output_dir`: leave inputs out whose output exists.
        jobs: With `output_dir`: files that are done at the same time, each in a process of its own
            with its share of the cores.
        ray: With `output_dir`: do the work on the Ray cluster at ADDRESS, or with 'local' on a new
            one on this machine (extra: cluster). Default: on this machine.
    """

    output_dir: str | None = None
    skip_existing: bool = False
    jobs: int = 1
    ray: str | None = None


batch_options = options_of(
    BatchOptions,
    output_dir={"type": click.Path(file_okay=False), "metavar": "DIR"},
    jobs={"type": click.IntRange(1, 1024), "metavar": "N"},
    ray={"metavar": "ADDRESS"},
)


@dataclass(frozen=True)
class Coding:
    """In what `encode` and `decode` differ. Worker processes find its functions by their names.

    Attributes:
        name: Of the command.
        suffixes: Of the files that are taken from folders.
        run: Codes a source into a target, with options, and calls back with the progress.
        duration_s: Finds the duration of a source, for the progress bar.
        line: Says in one line what came of it.
        rows: Say more. They take source and report.
        record: Says everything to machines.
        shows_source_size: Whether the record of a single input has the size of its source.
    """

    name: str
    suffixes: frozenset[str]
    run: Callable[[str, str, Any, Advance | None], Any]
    duration_s: Callable[[str, Any], float | None]
    line: Callable[[Any], str]
    rows: Callable[[str, Any], Iterator[Row]]
    record: Callable[[Any], dict[str, Any]]
    shows_source_size: bool = False

    def report(self, task: Task, options: Any, what: str) -> tuple[Report, DamagedStream | None]:
        """Do a task; a damaged stream has a report as well as an error."""
        find_duration = partial(self.duration_s, task.source, options)
        with progress(what, find_duration) as advance:
            try:
                return self.run(task.source, task.target, options, advance), None
            except DamagedStream as error:
                return cast("Report", error.report), error


def code(
    coding: Coding,
    names: tuple[str, ...],
    options: EncodeOptions | DecodeOptions,
    batch: BatchOptions,
    target_suffix: str,
) -> None:
    """Code one input into one output, or with --output-dir any number of inputs.

    Raises:
        click.UsageError: Without --output-dir, there are not two names, or an option needs it.
    """
    if batch.output_dir is not None:
        _code_many(coding, names, options, batch, target_suffix)
    for field in dataclasses.fields(batch):
        if getattr(batch, field.name) != field.default:
            raise click.UsageError(f"--{field.name.replace('_', '-')} needs --output-dir")
    if len(names) != 2:
        raise click.UsageError(
            "name one input and one output, or any number of inputs with --output-dir DIR"
        )
    source, target = names
    check_standard_streams(source, target)
    report, error = coding.report(Task(source, target), options, coding.name)
    record = {"source": source, "target": target, **coding.record(report)}
    if coding.shows_source_size:
        record["source_bytes"] = file_bytes(source)
    first = (f"{coding.name}d", f"{path_text(source)} -> {path_text(target)}")
    rows = [first, *coding.rows(source, report)]
    show_result(record, rows, report.warnings, err=target == "-")
    if error is not None:
        raise error


def _code_many(
    coding: Coding,
    names: tuple[str, ...],
    options: EncodeOptions | DecodeOptions,
    batch: BatchOptions,
    target_suffix: str,
) -> NoReturn:
    """Print a line for each input, and a summary; the exit code is the highest of all inputs."""
    folder = Path(cast("str", batch.output_dir))
    tasks = _plan(_find_inputs(names, coding.suffixes), folder, target_suffix)
    make_folder(folder)
    wanted = [t for t in tasks if not (batch.skip_existing and Path(t.target).exists())]
    records, codes = [], []
    results = _results(wanted, partial(_work, coding), options, batch)
    with closing(results):  # if nobody reads the lines, the processes end as well
        for task, done in results:
            codes.append(done.exit_code)
            records.append({"source": task.source, "target": task.target, **done.record})
            if wants_json():
                continue
            line = f"{path_text(task.source)} -> {path_text(task.target)}: {done.line}"
            if not is_quiet():
                show_line(f"[{len(codes)}/{len(wanted)}] {line}")
                show_warnings(f"{path_text(task.source)}: {warning}" for warning in done.warnings)
            elif done.exit_code:
                show_warnings([line])
    failures = sum(code != 0 for code in codes)
    counts = {
        "done": len(codes) - failures,
        "skipped": len(tasks) - len(wanted),
        "failed": failures,
    }
    if wants_json():
        show_json({"files": records, **counts})
    elif not is_quiet():
        text = ", ".join(f"{n} {what}" for what, n in counts.items() if n or what == "done")
        show_line(f"{plural(len(tasks), 'file')}: {text}")
    click.get_current_context().exit(max(codes, default=0))


def _work(coding: Coding, task: Task, options: Any) -> Done:
    """Do one task of several."""
    try:
        report, error = coding.report(task, options, path_text(task.source))
    except ImfcodecError as failure:
        return failed(failure)
    exit_code = error.exit_code if error else 0
    return Done(coding.line(report), coding.record(report), report.warnings, exit_code)


def _results(
    tasks: list[Task],
    work: Callable[[Task, Any], Done],
    options: EncodeOptions | DecodeOptions,
    batch: BatchOptions,
) -> Generator[tuple[Task, Done], None, None]:
    """Do the tasks where the options say."""
    jobs = max(1, min(batch.jobs, len(tasks)))
    if jobs > 1 and options.threads is None:
        threads = max(1, (os.cpu_count() or 1) // jobs)
        options = dataclasses.replace(options, threads=threads)
    if batch.ray is not None:
        if batch.jobs > 1:
            raise OptionError("--jobs is for this machine; a cluster has as many as its cores")
        return on_cluster(tasks, work, options, batch.ray)
    if jobs > 1:
        return in_processes(tasks, work, options, jobs)
    return in_this_process(tasks, work, options)


def _find_inputs(names: Iterable[str], suffixes: frozenset[str]) -> list[Path]:
    """Files as they are named, and the files directly inside the named folders."""
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


def _plan(inputs: Iterable[Path], folder: Path, suffix: str) -> list[Task]:
    """An output in the folder for each input; no two inputs may have one output."""
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
