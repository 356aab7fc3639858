"""Tasks of a batch: in this process, in several, or on a Ray cluster."""

from __future__ import annotations

import multiprocessing
import signal
import tempfile
import traceback
from collections.abc import Callable, Generator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final

from imfcodec.cli.failures import stop_on_signals
from imfcodec.errors import ImfcodecError, Stopped

MAX_PROCESSES: Final = 61
"""Windows allows a pool no more."""

MAX_SENT_BYTES: Final = 1 << 30
"""Inputs that are on their way to a cluster: they pass through the memory of this machine."""


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
    record: dict[str, Any]
    warnings: list[str]
    exit_code: int = 0


Work = Callable[[Task, Any], Done]
"""Does a task with the options of the command; can be pickled."""

Results = Generator[tuple[Task, Done], None, None]


def failed(error: Exception) -> Done:
    """What an error makes of a task; the trace of one that is not ours goes to stderr."""
    if not isinstance(error, ImfcodecError):
        traceback.print_exception(error)
        error = ImfcodecError(f"{type(error).__name__}: {error}")
    record = {"error": type(error).__name__, "message": str(error), "exit_code": error.exit_code}
    return Done(str(error), record, [], error.exit_code)


def _outcome(call: Callable[[], Done]) -> Done:
    """What came of a task: a bug or a lack of memory is not to stop the other ones."""
    try:
        return call()
    except (BrokenProcessPool, Stopped):
        raise
    except Exception as error:
        return failed(error)


def in_this_process(tasks: list[Task], work: Work, options: Any) -> Results:
    """Tasks one after another."""
    for task in tasks:
        yield task, _outcome(partial(work, task, options))


def in_processes(tasks: list[Task], work: Work, options: Any, jobs: int) -> Results:
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
                    done = _outcome(future.result)
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


def on_cluster(tasks: list[Task], work: Work, options: Any, address: str) -> Results:
    """Tasks on a cluster, each on one CPU of it; inputs are sent, outputs come back.

    Raises:
        OptionError: Ray is not installed, or there is no cluster at the address.
    """
    from imfcodec.media.atomic import check_files
    from imfcodec.media.failures import reading
    from imfcodec.ray_cluster import capacity, connected

    with connected(address) as ray:
        remote = ray.remote(num_cpus=1)(_far)
        most = capacity(ray)
        waiting, running = list(reversed(tasks)), dict[Any, Task]()
        sizes: dict[Any, int] = {}  # bytes of the inputs under way
        while waiting or running:
            while waiting and len(running) < most and sum(sizes.values()) < MAX_SENT_BYTES:
                task = waiting.pop()
                try:
                    check_files(task.source, task.target, overwrite=options.overwrite)
                    with reading(task.source):
                        content = Path(task.source).read_bytes()
                except ImfcodecError as error:
                    yield task, failed(error)
                    continue
                reference = remote.remote(work, task, options, content)
                running[reference], sizes[reference] = task, len(content)
            if not running:
                break
            (reference,), _ = ray.wait(list(running))
            task = running.pop(reference)
            del sizes[reference]
            yield task, _outcome(partial(_fetched, ray, reference, task, options.overwrite))


def _fetched(ray: Any, reference: Any, task: Task, overwrite: bool) -> Done:
    """Write the output that a node has sent."""
    from imfcodec.media.atomic import AtomicOutput
    from imfcodec.media.failures import writing
    from imfcodec.ray_cluster import lost_errors

    try:
        done, output = ray.get(reference)
    except lost_errors(ray) as error:
        return failed(ImfcodecError(f"lost by the cluster: {type(error).__name__}"))
    if output is not None:
        with writing(task.target), AtomicOutput(task.target, overwrite) as target:
            target.file.write(output)
    assert isinstance(done, Done)
    return done


def _far(work: Work, task: Task, options: Any, content: bytes) -> tuple[Done, bytes | None]:
    """Runs on a node: the task, with the input that was sent."""
    import torch

    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory(prefix="imfcodec-") as folder:
        source = Path(folder) / "in" / Path(task.source).name
        target = Path(folder) / "out" / Path(task.target).name
        source.parent.mkdir()
        target.parent.mkdir()
        source.write_bytes(content)
        done = work(Task(str(source), str(target)), options)
        return done, target.read_bytes() if target.exists() else None
