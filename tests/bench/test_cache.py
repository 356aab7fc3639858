"""What is kept, and what it takes to count as the same."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from imfcodec.bench import cache as cache_module
from imfcodec.bench import fingerprint
from imfcodec.bench.cache import Cache, default_cache_folder
from imfcodec.bench.job import Job, Outcome, measure
from imfcodec.bench.score_options import ScoreOptions
from tests.bench.fakes import StepCodec

MakeJob = Callable[..., Job]
PSNR = ("psnr_rgb_db",)


@pytest.fixture
def cache(tmp_path: Path) -> Cache:
    return Cache(tmp_path / "cache")


@pytest.fixture
def job(make_job: MakeJob) -> Job:
    return make_job("step8")


@pytest.fixture
def outcome(cache: Cache, job: Job) -> Outcome:
    outcome = measure(job)
    cache.store(job, outcome, PSNR)
    return outcome


def test_a_point_comes_back(cache: Cache, job: Job, outcome: Outcome) -> None:
    found = cache.find(job, PSNR)
    assert found is not None
    assert found.point == outcome.point
    assert found.missing == ()
    assert cache.coded(job) == outcome.coded


def test_nothing_is_found_in_an_empty_cache(cache: Cache, job: Job) -> None:
    assert cache.find(job, PSNR) is None
    assert cache.coded(job) is None


def test_a_failed_point_is_tried_again(cache: Cache, make_job: MakeJob) -> None:
    job = make_job("refuses")
    cache.store(job, measure(job), PSNR)
    assert not cache.folder.exists()


@pytest.mark.usefixtures("outcome")
def test_what_a_coded_clip_depends_on(
    cache: Cache, job: Job, steps: StepCodec, monkeypatch: pytest.MonkeyPatch
) -> None:
    others = [
        dataclasses.replace(job, setting="step16"),
        dataclasses.replace(job, clip=dataclasses.replace(job.clip, sha256="0" * 64)),
        dataclasses.replace(job, codec=dataclasses.replace(steps, name="other")),
        dataclasses.replace(job, version=dataclasses.replace(steps, options="slow").version()),
    ]
    assert [cache.find(other, PSNR) for other in others] == [None] * len(others)
    with monkeypatch.context() as patch:
        patch.setattr("imfcodec.__version__", "99")
        assert cache.find(job, PSNR) is None
    with monkeypatch.context() as patch:
        patch.setattr(fingerprint, "code_digest", lambda *parts: f"changed {parts}")
        assert cache.find(job, PSNR) is None
    # A clip is its bytes: where it lies and what it is called do not matter.
    moved = dataclasses.replace(job.clip, path=Path("elsewhere/three.mp4"))
    found = cache.find(dataclasses.replace(job, clip=moved), PSNR)
    assert found is not None
    assert found.point.clip == "three"


@pytest.mark.usefixtures("outcome")
def test_further_metrics_are_missing_until_they_are_measured(cache: Cache, job: Job) -> None:
    found = cache.find(job, ("psnr_rgb_db", "ssim"))
    assert found is not None
    assert found.missing == ("ssim",)
    more = dataclasses.replace(job, scoring=ScoreOptions(metrics=("ssim",)), coded=cache.coded(job))
    cache.store(more, measure(more), ("ssim",))
    found = cache.find(job, ("psnr_rgb_db", "ssim"))
    assert found is not None
    assert found.missing == ()
    assert set(found.point.scores) == {"psnr_rgb_db", "ssim"}


def test_a_metric_without_a_value_is_not_measured_again(
    cache: Cache, job: Job, outcome: Outcome
) -> None:
    """As the motion error of a clip in which nothing moves."""
    cache.store(job, outcome, ("psnr_rgb_db", "motion_error"))
    found = cache.find(job, ("psnr_rgb_db", "motion_error"))
    assert found is not None
    assert found.missing == ()
    assert set(found.point.scores) == {"psnr_rgb_db"}


def test_what_a_metric_depends_on(
    tmp_path: Path, job: Job, monkeypatch: pytest.MonkeyPatch
) -> None:
    def digests(options: ScoreOptions) -> list[str]:
        names = ("psnr_rgb_db", "mouth_psnr_rgb_db", "identity")
        return [fingerprint.metric_digest(name, options) for name in names]

    def changed(before: list[str], after: list[str]) -> list[bool]:
        return [a != b for a, b in zip(before, after, strict=True)]

    for name in "abc":
        (tmp_path / name).write_text(name)
    (tmp_path / "also a").write_text("a")
    plain = digests(ScoreOptions())
    with monkeypatch.context() as patch:
        patch.setattr(fingerprint, "YUNET", tmp_path / "c")
        assert changed(plain, digests(ScoreOptions())) == [False, True, True]
    known = digests(ScoreOptions(recogniser=tmp_path / "a"))
    assert changed(plain, known) == [False, False, True]
    other = digests(ScoreOptions(recogniser=tmp_path / "b"))
    assert changed(known, other) == [False, False, True]
    assert known == digests(ScoreOptions(recogniser=tmp_path / "also a"))
    monkeypatch.setattr(fingerprint, "library_versions", lambda: {"torch": "99"})
    before = digests(ScoreOptions())
    monkeypatch.setattr(fingerprint, "library_versions", lambda: {"torch": "100"})
    assert changed(before, digests(ScoreOptions())) == [True, True, True]


@pytest.mark.parametrize("damage", ["", "{", "[]", "{}", '{"format": 1}', '{"format": 2}'])
@pytest.mark.usefixtures("outcome")
def test_a_damaged_entry_is_no_entry(cache: Cache, job: Job, damage: str) -> None:
    (entry,) = cache.folder.rglob("entry.json")
    entry.write_text(damage)
    assert cache.find(job, PSNR) is None
    assert cache.coded(job) is None


@pytest.mark.usefixtures("outcome")
def test_a_damaged_coded_clip_is_none(cache: Cache, job: Job) -> None:
    (coded,) = cache.folder.rglob("*.z")
    coded.write_bytes(coded.read_bytes()[:-1] + b"?")
    assert cache.coded(job) is None
    coded.unlink()
    assert cache.find(job, PSNR) is None


def test_an_entry_is_there_when_it_is_complete(
    cache: Cache, job: Job, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed between the coded clip and the entry."""
    outcome = measure(job)

    def killed(*args: object, **options: object) -> str:
        raise KeyboardInterrupt

    monkeypatch.setattr(cache_module.json, "dumps", killed)
    with pytest.raises(KeyboardInterrupt):
        cache.store(job, outcome, PSNR)
    monkeypatch.undo()
    assert cache.find(job, PSNR) is None
    cache.store(job, outcome, PSNR)
    assert cache.find(job, PSNR) is not None


@pytest.mark.usefixtures("outcome")
def test_an_entry_can_be_read_by_people(cache: Cache) -> None:
    (entry,) = cache.folder.rglob("entry.json")
    record = json.loads(entry.read_text())
    assert (record["clip"], record["codec"], record["setting"]) == ("one", "steps", "step8")


def test_the_default_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert default_cache_folder() == tmp_path / "imfcodec" / "bench"
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    for useless in ("", "relative/path"):
        monkeypatch.setenv("XDG_CACHE_HOME", useless)
        assert default_cache_folder() == tmp_path / "home" / ".cache" / "imfcodec" / "bench"
