"""Jobs on a Ray cluster.

Clips are sent to the nodes and coded clips are sent back, so no shared folder is needed. The
package, its extras and all weights must be installed on every node; a file that an option names
must have the same path everywhere. If a node's codec has another version than the head's, the job
fails, so that versions are never mixed.
"""

from __future__ import annotations

import dataclasses
import tempfile
from collections.abc import Generator, Iterable
from pathlib import Path
from typing import Any

from imfcodec.bench.job import Job, Outcome, measure
from imfcodec.ray_cluster import capacity, connected, lost_errors


def run_on_ray(jobs: Iterable[Job], address: str) -> Generator[tuple[Job, Outcome], None, None]:
    """Do jobs on a cluster, each on one CPU of it.

    Args:
        jobs: Taken as the cluster becomes free; those of one clip should follow one another.
        address: As `ray.init` takes it: "auto", "ray://HOST:PORT", or "local" for an instance
            on this machine that lasts as long as the run.

    Yields:
        Each job with what came of it, in the order in which they are done.

    Raises:
        OptionError: Ray is not installed, or there is no cluster at the address.
    """
    jobs = iter(jobs)
    with connected(address) as ray:
        remote = ray.remote(num_cpus=1)(_measure_far)
        most = capacity(ray)
        running: dict[Any, Job] = {}
        stored: tuple[str, Any] = ("", None)
        while True:
            while len(running) < most and (job := next(jobs, None)) is not None:
                if job.clip.sha256 != stored[0]:
                    # The tasks that still need the one before hold references of their own.
                    stored = (job.clip.sha256, ray.put(job.clip.path.read_bytes()))
                running[remote.remote(job, stored[1])] = job
            if not running:
                return
            (done,), _ = ray.wait(list(running))
            job = running.pop(done)
            try:
                outcome = ray.get(done)
            except lost_errors(ray) as error:
                outcome = job.failed(f"lost by the cluster: {type(error).__name__}")
            yield job, outcome


def _measure_far(job: Job, clip: bytes) -> Outcome:
    """Runs on a node: `measure` with the clip that was sent."""
    import torch

    torch.set_num_threads(1)
    here = job.codec.version()
    if here != job.version:
        return job.failed(f"the node's codec is {here}, the head's {job.version}")
    # For one job only: Ray ends its processes without letting them clean up.
    with tempfile.TemporaryDirectory(prefix="imfcodec-bench-") as folder:
        path = Path(folder) / job.clip.path.name
        path.write_bytes(clip)
        return measure(dataclasses.replace(job, clip=dataclasses.replace(job.clip, path=path)))
