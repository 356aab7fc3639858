"""A run: what is measured, what is known already, what is left when it stops."""

from __future__ import annotations

import dataclasses
from collections.abc import Generator, Iterable
from itertools import islice
from pathlib import Path

import numpy as np
import pytest

from imfcodec.bench import runner
from imfcodec.bench.cache import Cache
from imfcodec.bench.clip import Clip
from imfcodec.bench.clips import UnusableClip
from imfcodec.bench.job import Job, Outcome
from imfcodec.bench.results import Results
from imfcodec.bench.runner import Plan, Run
from imfcodec.bench.score_options import ScoreOptions
from imfcodec.bench.summary import means
from imfcodec.errors import InputUnreadable, NoFrames, OptionError
from tests.bench.conftest import CHEAP, in_this_process
from tests.bench.fakes import StepCodec

Clips = tuple[Clip, Clip]


@pytest.fixture
def cache(tmp_path: Path) -> Cache:
    return Cache(tmp_path / "cache")


def run(plan: Plan, cache: Cache) -> Run:
    done = Run(plan, cache, in_this_process)
    done.measure()
    return done


def test_every_point_is_measured_clip_by_clip(
    bench_clips: Clips, steps: StepCodec, cache: Cache, tmp_path: Path
) -> None:
    other = dataclasses.replace(steps, name="other", settings=("step4",), role="ours")
    results = run(Plan(bench_clips, (steps, other), CHEAP), cache).results("imfcodec bench x")
    wanted = [
        (clip, codec, setting)
        for clip in ("one", "two")
        for codec, settings in (("steps", steps.settings), ("other", ("step4",)))
        for setting in settings
    ]
    assert [(p.clip, p.codec, p.setting) for p in results.points] == wanted
    assert all(p.error is None and set(p.scores) == {"psnr_rgb_db"} for p in results.points)
    psnr = [p.scores["psnr_rgb_db"].mean for p in results.points[:4]]
    assert psnr == sorted(psnr)
    assert [(c.name, c.role, c.version) for c in results.codecs] == [
        ("steps", "anchor", "steps 1 "),
        ("other", "ours", "steps 1 "),
    ]
    assert [(c.name, c.frames, c.rate_fps) for c in results.clips] == [
        ("one", 10, 25.0),
        ("two", 12, 25.0),
    ]
    assert results.command == "imfcodec bench x"
    assert {"imfcodec", "av", "torch"} <= set(results.versions)
    results.save(tmp_path / "results.json")
    assert Results.load(tmp_path / "results.json") == results


def test_a_second_run_codes_and_decodes_nothing(
    bench_clips: Clips, steps: StepCodec, cache: Cache
) -> None:
    plan = Plan(bench_clips, (steps,), CHEAP)
    first = run(plan, cache)
    coded, decoded = steps.noted("encode"), steps.noted("decode")
    assert len(coded) == len(decoded) == 8
    assert first.from_cache == 0
    second = run(plan, cache)
    assert second.from_cache == 8
    assert second.results("") == first.results("")
    assert (steps.noted("encode"), steps.noted("decode")) == (coded, decoded)


def test_further_metrics_need_no_coding(bench_clips: Clips, steps: StepCodec, cache: Cache) -> None:
    plan = Plan(bench_clips[:1], (steps,), CHEAP)
    run(plan, cache)
    both = ScoreOptions(metrics=("psnr_rgb_db", "ssim"))
    points = run(dataclasses.replace(plan, scoring=both), cache).results("").points
    assert all(set(point.scores) == {"psnr_rgb_db", "ssim"} for point in points)
    assert len(steps.noted("encode")) == 4
    assert len(steps.noted("decode")) == 8


def test_a_failed_job_keeps_its_place_and_is_tried_again(
    bench_clips: Clips, steps: StepCodec, cache: Cache
) -> None:
    bad = dataclasses.replace(steps, settings=("step16", "refuses"))
    for count in (1, 2):
        results = run(Plan(bench_clips, (bad,), CHEAP), cache).results("")
        good, failed = means(results)
        assert (good.clips, good.failed, failed.clips, failed.failed) == (2, 0, 0, 2)
        assert failed.scores == {}
        assert [p.error for p in results.points] == [
            None,
            "KeyframeCodecError: it refuses this clip",
        ] * 2
        assert steps.noted("encode").count("one refuses") == count


def test_an_unusable_clip_counts_as_failed(
    bench_clips: Clips, steps: StepCodec, cache: Cache
) -> None:
    unusable = UnusableClip(Path("broken.mp4"), NoFrames("broken.mp4: nothing in it"))
    results = run(Plan(bench_clips, (steps,), CHEAP, (unusable,)), cache).results("")
    assert [(row.clips, row.failed) for row in means(results)] == [(2, 1)] * 4
    assert results.clips[-1].name == "broken"
    assert results.points[-1].error == "NoFrames: broken.mp4: nothing in it"


def test_a_codec_that_is_missing_takes_no_part(
    bench_clips: Clips, steps: StepCodec, cache: Cache
) -> None:
    absent = dataclasses.replace(steps, name="absent", absent="it is not installed")
    results = run(Plan(bench_clips, (absent, steps), CHEAP), cache).results("")
    assert [codec.missing for codec in results.codecs] == ["it is not installed", None]
    assert {point.codec for point in results.points} == {"steps"}
    with pytest.raises(OptionError, match="absent: it is not installed"):
        Run(Plan(bench_clips, (absent,), CHEAP), cache, in_this_process)


def test_a_metric_that_cannot_be_measured(
    bench_clips: Clips, steps: StepCodec, cache: Cache, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By name it is an error, as one of all it is noted."""
    with pytest.raises(OptionError, match="identity"):
        Run(Plan(bench_clips, (steps,), ScoreOptions(("identity",))), cache, in_this_process)
    # Finding out about all of them would load every network.
    monkeypatch.setattr(runner, "missing_metrics", lambda options: {"vmaf": "no binary"})
    everything = Run(Plan(bench_clips, (steps,), ScoreOptions()), cache, in_this_process)
    assert everything.results("").metrics_missing == {"vmaf": "no binary"}


def test_a_run_that_is_stopped_keeps_what_is_done(
    bench_clips: Clips, steps: StepCodec, cache: Cache
) -> None:
    closed = []

    def stopped(jobs: Iterable[Job]) -> Generator[tuple[Job, Outcome], None, None]:
        try:
            yield from islice(in_this_process(jobs), 3)
            raise KeyboardInterrupt
        finally:
            closed.append(True)

    plan = Plan(bench_clips, (steps,), CHEAP)
    partial = Run(plan, cache, stopped)
    with pytest.raises(KeyboardInterrupt):
        partial.measure()
    assert closed
    errors = [point.error for point in partial.results("").points]
    assert errors == [None] * 3 + ["not measured: the run was stopped"] * 5
    complete = run(plan, cache)
    assert complete.from_cache == 3
    assert len(steps.noted("encode")) == 8
    assert all(point.error is None for point in complete.results("").points)


def test_the_executor_is_closed_when_the_caller_stops(
    bench_clips: Clips, steps: StepCodec, cache: Cache
) -> None:
    closed = []

    def watched(jobs: Iterable[Job]) -> Generator[tuple[Job, Outcome], None, None]:
        try:
            yield from in_this_process(jobs)
        finally:
            closed.append(True)

    def advance(done: int, total: int) -> None:
        assert total == 8
        if done == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        Run(Plan(bench_clips, (steps,), CHEAP), cache, watched).measure(advance)
    assert closed


def test_pictures_come_from_the_coded_clip(
    bench_clips: Clips, steps: StepCodec, cache: Cache
) -> None:
    done = run(Plan(bench_clips, (steps,), CHEAP), cache)
    source = list(bench_clips[1].pictures())
    np.testing.assert_array_equal(list(done.pictures("two", "source", "")), source)
    decoded = list(done.pictures("two", "steps", "step32"))
    assert len(decoded) == 12
    assert all(np.array_equal(d // 32, s // 32) for d, s in zip(decoded, source, strict=True))
    assert len(steps.noted("encode")) == 8
    for unknown in (("three", "steps", "step32"), ("two", "x", "step32"), ("two", "steps", "x")):
        with pytest.raises(InputUnreadable):
            next(done.pictures(*unknown))
