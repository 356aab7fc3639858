"""Points of earlier runs: taken where they are what this run would measure, and only there."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from imfcodec.bench import earlier as earlier_module
from imfcodec.bench import fingerprint
from imfcodec.bench.cache import Cache
from imfcodec.bench.clip import Clip
from imfcodec.bench.earlier import Earlier
from imfcodec.bench.report.tables import gaps
from imfcodec.bench.results import Results
from imfcodec.bench.runner import Plan, Run
from imfcodec.bench.score_options import ScoreOptions
from imfcodec.bench.summary import lacking, means
from imfcodec.errors import InputUnreadable
from tests.bench.conftest import CHEAP, in_this_process
from tests.bench.fakes import StepCodec

Clips = tuple[Clip, Clip]
Again = Callable[..., Run]


@pytest.fixture
def file(bench_clips: Clips, steps: StepCodec, tmp_path: Path) -> Path:
    """results.json of a run with another cache."""
    run = Run(Plan(bench_clips, (steps,), CHEAP), Cache(tmp_path / "there"), in_this_process)
    run.measure()
    run.results("imfcodec bench there").save(tmp_path / "results.json")
    return tmp_path / "results.json"


@pytest.fixture
def again(bench_clips: Clips, steps: StepCodec, tmp_path: Path) -> Again:
    """A run with an empty cache: again(file, codec=..., scoring=..., clips=...)."""

    def run(
        file: Path,
        codec: StepCodec = steps,
        scoring: ScoreOptions = CHEAP,
        clips: tuple[Clip, ...] = bench_clips,
    ) -> Run:
        plan = Plan(clips, (codec,), scoring, earlier=Earlier.load([file]))
        done = Run(plan, Cache(tmp_path / "here"), in_this_process)
        done.measure()
        return done

    return run


def edited(file: Path, change: Callable[[dict[str, Any]], object]) -> Path:
    record = json.loads(file.read_text())
    change(record)
    file.write_text(json.dumps(record))
    return file


def without_digests(record: dict[str, Any]) -> None:
    """As files were before they held digests."""
    for name in ("metric_digests", "sources"):
        del record[name]
    for codec in record["codecs"]:
        del codec["digest"]
    for point in record["points"]:
        del point["from"]


def test_points_are_taken_and_marked(file: Path, steps: StepCodec, again: Again) -> None:
    there = Results.load(file)
    coded = steps.noted("encode")
    run = again(file)
    assert steps.noted("encode") == coded
    assert (run.from_earlier, run.from_cache) == (8, 0)
    results = run.results("")
    (source,) = results.sources
    assert {point.origin for point in results.points} == {source.id}
    assert (source.path, source.command) == (str(file), "imfcodec bench there")
    assert [dataclasses.replace(p, origin=None) for p in results.points] == list(there.points)
    assert means(results) == means(there)
    assert '"from": null' in file.read_text()


def test_they_come_back_from_a_file(file: Path, again: Again, tmp_path: Path) -> None:
    results = again(file).results("")
    results.save(tmp_path / "second.json")
    assert Results.load(tmp_path / "second.json") == results
    assert f'"from": "{results.sources[0].id}"' in (tmp_path / "second.json").read_text()
    # Taken once more they still name the run that measured them.
    third = again(tmp_path / "second.json").results("")
    assert third.points == results.points
    assert third.sources == results.sources


def test_what_is_another_point_is_measured(
    file: Path, bench_clips: Clips, steps: StepCodec, again: Again
) -> None:
    other = dataclasses.replace(bench_clips[0], sha256="0" * 64)
    assert again(file, clips=(other,)).from_earlier == 0
    more = dataclasses.replace(steps, settings=("step8", "step4"))
    assert again(file, codec=more).from_earlier == 2
    assert again(file, codec=dataclasses.replace(steps, name="new")).from_earlier == 0


def test_another_version_of_a_codec_is_measured(
    file: Path, steps: StepCodec, bench_clips: Clips, tmp_path: Path
) -> None:
    slow = dataclasses.replace(steps, options="slow")
    plan = Plan(bench_clips, (slow,), CHEAP, earlier=Earlier.load([file]))
    run = Run(plan, Cache(tmp_path / "here"), in_this_process)
    run.measure()
    assert run.from_earlier == 0
    assert plan.earlier.refused == {"steps has another version, or its code has changed": 8}
    assert run.results("").sources == ()


@pytest.mark.parametrize("digests", [True, False])
def test_changed_code_is_seen_by_digests_only(
    file: Path, again: Again, monkeypatch: pytest.MonkeyPatch, digests: bool
) -> None:
    if not digests:
        edited(file, without_digests)
    monkeypatch.setattr(fingerprint, "code_digest", lambda *parts: f"changed {parts}")
    assert again(file).from_earlier == (0 if digests else 8)


@pytest.mark.parametrize(
    ("library", "taken"), [("av", 0), ("libswscale", 0), ("numpy", 0), ("torch", 8), ("lpips", 8)]
)
def test_without_digests_the_libraries_that_matter_have_to_agree(
    file: Path, again: Again, library: str, taken: int
) -> None:
    def change(record: dict[str, Any]) -> None:
        without_digests(record)
        record["versions"][library] = "0.0.1"

    assert again(edited(file, change)).from_earlier == taken


def test_without_digests_the_version_of_the_codec_has_to_agree(file: Path, again: Again) -> None:
    def change(record: dict[str, Any]) -> None:
        without_digests(record)
        record["codecs"][0]["version"] = "steps 0"

    assert again(edited(file, change)).from_earlier == 0


def test_a_build_for_another_processor_is_the_same_release(
    file: Path, again: Again, monkeypatch: pytest.MonkeyPatch
) -> None:
    edited(file, without_digests)
    here = {name: f"{v}+cu128" for name, v in fingerprint.library_versions().items()}
    monkeypatch.setattr(earlier_module, "library_versions", lambda: here)
    assert again(file).from_earlier == 8


def test_failed_points_are_measured(file: Path, again: Again) -> None:
    def change(record: dict[str, Any]) -> None:
        record["points"][0]["error"] = "it broke"

    run = again(edited(file, change))
    assert run.from_earlier == 7
    assert all(point.error is None for point in run.results("").points)


def test_a_metric_that_they_lack_is_said_to_be_missing(
    file: Path, steps: StepCodec, again: Again
) -> None:
    more = dataclasses.replace(steps, settings=("step8", "step4"))
    results = again(file, more, ScoreOptions(metrics=("psnr_rgb_db", "ssim"))).results("")
    taken, measured = means(results)
    assert set(taken.scores) == {"psnr_rgb_db"}
    assert set(measured.scores) == {"psnr_rgb_db", "ssim"}
    assert (taken.clips, taken.failed) == (2, 0)
    assert lacking(results) == {"ssim": 2}
    (gap,) = gaps(results)
    assert gap.title == "Metrics that points of earlier runs lack: 1"
    assert gap.lines == ("ssim: 2 points; no mean and no BD-rate counts them",)


def test_points_without_any_wanted_metric_are_measured(file: Path, again: Again) -> None:
    assert again(file, scoring=ScoreOptions(metrics=("ssim",))).from_earlier == 0


def test_the_cache_comes_first(file: Path, again: Again) -> None:
    again(edited(file, lambda record: record["points"].clear()))
    run = again(file)
    assert (run.from_cache, run.from_earlier) == (8, 0)


def test_a_picture_that_is_shown_is_coded_for_it(
    file: Path, steps: StepCodec, again: Again
) -> None:
    run = again(file)
    before = len(steps.noted("encode"))
    assert run.identity("one", "steps", "step8") is None
    pictures = list(run.pictures("one", "steps", "step8"))
    assert len(pictures) == 10
    assert len(steps.noted("encode")) == before + 1
    assert run.identity("one", "steps", "step8") is not None
    np.testing.assert_array_equal(list(run.pictures("one", "steps", "step8")), pictures)
    assert len(steps.noted("encode")) == before + 1
    assert again(file).from_earlier == 8


def test_another_size_when_coded_here_is_told(file: Path, again: Again) -> None:
    def change(record: dict[str, Any]) -> None:
        record["points"][2]["size_bytes"] += 1

    run = again(edited(file, change))
    with pytest.raises(InputUnreadable, match="coded here it takes"):
        next(run.pictures("one", "steps", "step8"))


def test_what_holds_no_results(tmp_path: Path) -> None:
    (tmp_path / "x.json").write_text("{}")
    for path in (tmp_path / "x.json", tmp_path / "absent.json"):
        with pytest.raises(InputUnreadable):
            Earlier.load([path])
