"""Clips and jobs of a benchmark that takes seconds."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable
from pathlib import Path

import av
import pytest

from imfcodec.bench.clip import Clip
from imfcodec.bench.job import Job, Outcome, measure
from imfcodec.bench.score_options import ScoreOptions
from tests.bench.fakes import StepCodec
from tests.conftest import moving_picture

CHEAP = ScoreOptions(metrics=("psnr_rgb_db",))


def write_video(path: Path, frames: int = 10, first: int = 0) -> Path:
    """`moving_picture` from some frame on, 64x64 at 25 fps, H.264."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25, options={"preset": "ultrafast"})
        stream.width = stream.height = 64
        stream.pix_fmt = "yuv420p"
        for n in range(frames):
            frame = av.VideoFrame.from_ndarray(moving_picture(first + n), format="rgb24")
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


@pytest.fixture(scope="session")
def video_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Holds the videos one.mp4 and two.mp4."""
    folder = tmp_path_factory.mktemp("videos")
    write_video(folder / "one.mp4")
    write_video(folder / "two.mp4", frames=12, first=30)
    return folder


@pytest.fixture(scope="session")
def bench_clips(video_folder: Path) -> tuple[Clip, Clip]:
    return Clip.open(video_folder / "one.mp4"), Clip.open(video_folder / "two.mp4")


@pytest.fixture
def steps(tmp_path: Path) -> StepCodec:
    return StepCodec(tmp_path / "log")


@pytest.fixture
def make_job(bench_clips: tuple[Clip, Clip], steps: StepCodec) -> Callable[..., Job]:
    """make_job(setting, scoring=..., codec=..., clip=0)."""

    def make(
        setting: str,
        scoring: ScoreOptions = CHEAP,
        codec: StepCodec = steps,
        clip: int = 0,
    ) -> Job:
        return Job(bench_clips[clip], codec, setting, codec.version(), scoring)

    return make


def in_this_process(jobs: Iterable[Job]) -> Generator[tuple[Job, Outcome], None, None]:
    """Does jobs one after the other, without the seconds that a process takes to start."""
    for job in jobs:
        yield job, measure(job)
