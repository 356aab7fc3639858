"""The tasks of a batch on a Ray cluster: inputs are sent to the nodes, outputs come back."""

from __future__ import annotations

import tempfile
from collections.abc import Generator
from pathlib import Path
from typing import Any

from imfcodec.cli.batch import Done, Task, Work, failed, unexpected
from imfcodec.errors import ImfcodecError, InputUnreadable
from imfcodec.ray_cluster import capacity, connected, lost_errors

MAX_SENT_BYTES = 1 << 30
"""Inputs that are under way at a time: they pass through the memory of this machine."""


def on_cluster(
    tasks: list[Task], work: Work, options: Any, address: str
) -> Generator[tuple[Task, Done], None, None]:
    """Do tasks on a cluster, each on one CPU of it; no shared folder is needed.

    Raises:
        OptionError: Ray is not installed, or there is no cluster at the address.
    """
    from imfcodec.media.atomic import AtomicOutput, check_files
    from imfcodec.media.failures import writing

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
                    content = Path(task.source).read_bytes()
                except ImfcodecError as error:
                    yield task, failed(error)
                    continue
                except OSError as error:
                    reason = error.strerror or str(error)
                    yield task, failed(InputUnreadable(f"{task.source}: {reason}"))
                    continue
                reference = remote.remote(work, task, options, content)
                running[reference], sizes[reference] = task, len(content)
            if not running:
                break
            (reference,), _ = ray.wait(list(running))
            task = running.pop(reference)
            del sizes[reference]
            try:
                done, output = ray.get(reference)
                if output is not None:
                    with (
                        writing(task.target),
                        AtomicOutput(task.target, options.overwrite) as target,
                    ):
                        target.file.write(output)
            except lost_errors(ray) as error:
                done = failed(ImfcodecError(f"lost by the cluster: {type(error).__name__}"))
            except ImfcodecError as error:
                done = failed(error)
            except Exception as error:  # a bug on a node: the other files are not to blame
                done = unexpected(error)
            yield task, done


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
