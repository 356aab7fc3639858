"""Jobs in worker processes on this machine.

A worker has one job at a time, so that memory is bounded. A worker that crashes, as libraries in C
may, loses only its own job.
"""

from __future__ import annotations

import multiprocessing
import os
import shutil
import signal
import sys
import tempfile
import threading
import time
import traceback
from collections.abc import Generator, Iterable
from contextlib import suppress
from itertools import islice
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from types import FrameType

from imfcodec.bench.job import Job, Outcome, measure

LONGEST_S = 1800.0
"""Time limit in seconds of a job on a short clip: some encoders deadlock now and then."""

LONGEST_S_PER_FRAME = 2.0
"""Time limit in seconds per frame of a clip, if that gives more."""

_LOOK_S = 1.0
"""Seconds between two checks of the time limit."""

_STOP_S = 5.0
"""Seconds that a worker has to stop the programs that it started."""


def run_locally(
    jobs: Iterable[Job], workers: int, longest_s: float = LONGEST_S
) -> Generator[tuple[Job, Outcome], None, None]:
    """Do jobs in processes, torch with one thread in each.

    Closing the iterator, or an exception inside of it, stops the workers and removes their
    temporary files. Workers whose parent was killed end by themselves.

    Args:
        jobs: Taken as workers become free.
        workers: How many processes at most.
        longest_s: A job that takes longer, and longer than its clip's frames allow, has failed,
            and its process is killed.

    Yields:
        Each job with what came of it, in the order in which they are done.

    Raises:
        RuntimeError: A worker met a bug; the message is its traceback.
    """
    jobs = iter(jobs)
    folder = tempfile.mkdtemp(prefix="imfcodec-bench-")
    pool: list[_Worker] = []
    try:
        for job in islice(jobs, workers):
            pool.append(_Worker(folder, job))
        busy = list(pool)
        while busy:
            # A dead worker is ready as well: its end of the pipe is closed.
            ready = wait([worker.connection for worker in busy], _LOOK_S)
            for worker in busy:
                if worker.connection not in ready and worker.seconds > max(
                    longest_s, LONGEST_S_PER_FRAME * worker.job.clip.frames
                ):
                    worker.give_up()  # which closes its end of the pipe
            for worker in [worker for worker in busy if worker.connection in ready]:
                done, outcome = worker.job, worker.outcome()
                following = next(jobs, None)
                if following is None:
                    busy.remove(worker)
                else:
                    worker.begin(following)
                yield done, outcome
    finally:
        for worker in pool:
            worker.process.terminate()
        for worker in pool:
            worker.join()
        shutil.rmtree(folder, ignore_errors=True)


class _Worker:
    """A process that measures, and the pipe to it; begun again where it has died."""

    process: BaseProcess
    connection: Connection
    job: Job

    def __init__(self, folder: str, job: Job) -> None:
        self._folder = folder
        self._start()
        self.begin(job)

    def begin(self, job: Job) -> None:
        """Hand a job over."""
        if not self.process.is_alive():
            self._start()
        self.job = job
        self._begun, self._late = time.monotonic(), False
        self.connection.send(job)

    @property
    def seconds(self) -> float:
        """How long it has been busy with its job."""
        return time.monotonic() - self._begun

    def give_up(self) -> None:
        """Kill it; the job has failed."""
        self._late = True
        self.process.kill()

    def outcome(self) -> Outcome:
        """What came of the job, once the connection is ready."""
        try:
            answer = self.connection.recv()
        except (EOFError, ConnectionError):
            self.process.join()
            code = self.process.exitcode or 0
            reason = f"its process ended with exit code {code}"
            if code < 0:
                reason = f"its process died of signal {-code}"
            if self._late:
                reason = f"not done after {self.seconds:.0f} s"
            return self.job.failed(reason)
        if isinstance(answer, Outcome):
            return answer
        raise RuntimeError(f"{self.job.codec.name} on {self.job.clip.name}:\n{answer}")

    def join(self) -> None:
        """See that it has stopped."""
        self.process.join(_STOP_S)
        if self.process.is_alive():
            self.process.kill()
            self.process.join()
        self.connection.close()

    def _start(self) -> None:
        # Spawned, not forked: torch's threads do not survive a fork.
        context = multiprocessing.get_context("spawn")
        self.connection, theirs = context.Pipe()
        self.process = context.Process(target=_serve, args=(theirs, self._folder), daemon=True)
        self.process.start()
        theirs.close()  # so that the death of the process closes the last copy of it


def _serve(connection: Connection, folder: str) -> None:
    """Measure what comes through the pipe until it is closed."""
    # Ctrl-C reaches the whole process group; the parent decides what it means.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, _leave)
    threading.Thread(target=_leave_with_parent, args=(folder,), daemon=True).start()
    tempfile.tempdir = folder  # the files that a job leaves are removed with the run
    import torch

    torch.set_num_threads(1)
    # Where the parent has been killed, the pipe is closed or broken.
    with suppress(EOFError, ConnectionError):
        while True:
            job = connection.recv()
            try:
                answer: Outcome | str = measure(job)
            except Exception:
                answer = traceback.format_exc()
            connection.send(answer)


def _leave(number: int, frame: FrameType | None) -> None:
    # Unwinding lets a codec stop the programs that it has started.
    sys.exit(128 + number)


def _leave_with_parent(folder: str) -> None:
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    shutil.rmtree(folder, ignore_errors=True)
    os._exit(1)
