"""Jobs in processes: what dies with them and what does not."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from imfcodec.bench.job import Job, measure
from imfcodec.bench.local import run_locally

from .conftest import in_this_process

MakeJob = Callable[..., Job]


def values(outcomes: object) -> dict[str, tuple[str | None, int, float | None]]:
    return {
        job.setting: (
            outcome.point.error,
            outcome.point.size_bytes,
            score.mean if (score := outcome.point.scores.get("psnr_rgb_db")) else None,
        )
        for job, outcome in outcomes  # type: ignore[attr-defined]
    }


def test_processes_give_the_same_and_survive_a_crash(make_job: MakeJob) -> None:
    jobs = [make_job(s) for s in ("step16", "crashes", "refuses", "step8", "step2")]
    here = values((job, measure(job)) for job in jobs if job.setting != "crashes")
    there = values(run_locally(iter(jobs), workers=2))
    assert there.pop("crashes") == ("its process died of signal 9", 0, None)
    assert there == here
    assert here["step2"][2] is not None


def test_a_bug_comes_with_its_traceback(make_job: MakeJob) -> None:
    with pytest.raises(RuntimeError, match=r"steps on one:\n(.|\n)*ZeroDivisionError: a bug"):
        list(run_locally([make_job("bug")], workers=1))


def test_closing_stops_the_workers(make_job: MakeJob, tmp_path: Path) -> None:
    outcomes = run_locally([make_job("step16"), make_job("sleeps")], workers=1)
    next(outcomes)
    begun = time.monotonic()
    while "one sleeps" not in make_job("sleeps").codec.noted("encode"):  # type: ignore[attr-defined]
        assert time.monotonic() < begun + 30
        time.sleep(0.02)
    begun = time.monotonic()
    outcomes.close()
    assert time.monotonic() - begun < 5


def test_a_job_that_hangs_has_failed(make_job: MakeJob) -> None:
    jobs = [make_job("sleeps"), make_job("step8")]
    done = values(run_locally(iter(jobs), workers=1, longest_s=8.0))
    error, size_bytes, _ = done["sleeps"]
    assert error is not None
    assert "not done after" in error
    assert size_bytes == 0
    assert done["step8"][0] is None


def test_no_job_no_process() -> None:
    assert list(run_locally([], workers=4)) == list(in_this_process([])) == []


ORPHANS = """
import os, sys
from pathlib import Path
from imfcodec.bench.clip import Clip
from imfcodec.bench.job import Job
from imfcodec.bench.local import run_locally
from tests.bench.conftest import CHEAP
from tests.bench.fakes import StepCodec
if __name__ == "__main__":
    clip, log = Clip.open(Path(sys.argv[1])), Path(sys.argv[2])
    codec = StepCodec(log)
    list(run_locally([Job(clip, codec, "sleeps", "", CHEAP)], workers=1))
"""


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="looks for processes in /proc")
def test_workers_end_with_a_killed_parent(video_folder: Path, tmp_path: Path) -> None:
    script = tmp_path / "parent.py"
    script.write_text(ORPHANS)
    log, temporary = tmp_path / "log", tmp_path / "temporary"
    temporary.mkdir()
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    parent = subprocess.Popen(
        [sys.executable, script, video_folder / "one.mp4", log],
        env={**environment, "TMPDIR": str(temporary)},
    )
    try:
        wait_until(lambda: log.is_dir() and any(log.iterdir()))
        (worker,) = children(parent.pid)
    finally:
        parent.kill()
        parent.wait()
    wait_until(lambda: not Path(f"/proc/{worker}").exists())
    assert list(temporary.iterdir()) == []


def children(pid: int) -> list[int]:
    """Processes that a process has spawned, the resource tracker left out."""
    pids = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [int(p) for p in pids if b"spawn_main" in Path(f"/proc/{p}/cmdline").read_bytes()]


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)
