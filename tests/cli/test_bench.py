"""`imfcodec bench` from clips to a report."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from imfcodec.bench import speed
from imfcodec.bench.codecs.lineup import lineup
from imfcodec.bench.results import Results
from imfcodec.bench.speed import Playing, RealTime, SpeedResult, SpeedRow, Stage
from imfcodec.errors import OutputFailed

from .conftest import Invoke, command, write_clip

CODECS = "frozen,x264-veryslow"
METRICS = "psnr_rgb_db,ssim"


@pytest.fixture(scope="session")
def clips(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of two clips and one that is too short."""
    folder = tmp_path_factory.mktemp("bench")
    write_clip(folder / "one.mkv", frames=12)
    write_clip(folder / "two.mkv", frames=16)
    write_clip(folder / "short.mkv", frames=3)
    return folder


def fast_speed(clip: Path, **options: Any) -> SpeedResult:
    """Says of the clip what a measurement of a minute would."""
    assert options["weights"] is None
    assert options["threads"][0] == 1
    stage = Stage("network", 10.0, network=True)
    row = SpeedRow("imfcodec", True, "decode", "cpu", 1, 12, 0.5, 3.0, 2**28, (stage,))
    return SpeedResult(clip.stem, 64, 64, 12, "this machine", (row,))


def arguments(out: Path, *clips: Path) -> list[object]:
    return ["bench", *clips, "--out", out, "--codecs", CODECS, "--metrics", METRICS, "--jobs", 1]


def test_from_clips_to_a_report_and_again_from_the_cache(
    invoke: Invoke, clips: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out, cache = tmp_path / "out", tmp_path / "cache"
    begin = arguments(out, clips / "one.mkv", clips / "two.mkv")
    first = invoke(*begin, "--cache", cache)
    assert first.exit_code == 0, first.output
    results = Results.load(out / "results.json")
    assert {p.codec for p in results.points} == {"frozen", "x264-veryslow"}
    assert all(p.error is None for p in results.points)
    assert (out / "index.html").stat().st_size > 10_000
    means, worst, *_ = first.stdout.split("\n\n")
    lines = means.splitlines()
    assert lines[0].split() == [
        *("codec", "setting", "kbps", "psnr_rgb_db", "ssim", "clips", "failed"),
    ]
    rows = [line.split() for line in lines[1:] if line.startswith(("frozen", "x264"))]
    assert len(rows) == len(results.points) / 2
    assert {tuple(row[-2:]) for row in rows} == {("2", "0")}
    assert worst.splitlines()[0].startswith("5 % worst frames")
    assert len(worst.splitlines()) == len(lines)

    refused = invoke(*begin, "--cache", cache)
    assert refused.exit_code == 7
    begun = time.monotonic()
    monkeypatch.setattr(speed, "measure_speed", fast_speed)
    again = invoke(*begin, "--cache", cache, "--overwrite", "--json", "--speed")
    assert time.monotonic() - begun < 20
    assert again.exit_code == 0, again.output
    record = json.loads(again.stdout)
    assert record["from_cache"] == record["points"] == len(results.points)
    assert record["failed"] == []
    assert record["speed"]["clip"] == "one"
    assert (out / "speed.json").is_file()
    assert Results.load(out / "results.json").points == results.points
    assert [(row["codec"], row["setting"]) for row in record["means"]] == [
        (row[0], row[1]) for row in rows
    ]


def test_a_second_run_decodes_nothing(
    invoke: Invoke, clips: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither clips nor coded clips: not for a metric, and not for the page."""
    out = tmp_path / "out"
    begin = ["bench", clips / "one.mkv", "--out", out, "--cache", tmp_path / "cache", "--jobs", 1]
    begin += ["--codecs", "imf-live,x264", "--metrics", "psnr_rgb_db", "--overwrite"]
    first = invoke(*begin)
    assert first.exit_code == 0, first.output
    page = (out / "index.html").read_bytes()
    assert page.count(b"<video") == 3  # source, ours and anchor

    def never(*args: object, **options: object) -> None:
        raise AssertionError("the second run decodes, draws or loads a network")

    for name in (
        *("av.open", "imfcodec.bench.clip.MediaReader"),
        "imfcodec.bench.codecs.imf.Decoder",
        "imfcodec.bench.codecs.anchor.Anchor.decode",
        "imfcodec.bench.report.figures.draw",
        *("imfcodec.bench.report.gallery.film", "imfcodec.bench.report.gallery.still"),
        "imfcodec.bench.runner.missing_metrics",
    ):
        monkeypatch.setattr(name, never)
    second = invoke(*begin)
    assert second.exit_code == 0, second.output
    assert (out / "index.html").read_bytes() == page
    points = sum(len(codec.settings) for codec in lineup(("imf-live", "x264"), weights=(None,)))
    cached = f" {points} from the cache"
    assert second.stdout == first.stdout.replace(" 0 from the cache", cached)


def test_points_of_an_earlier_run(invoke: Invoke, clips: Path, tmp_path: Path) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    one = clips / "one.mkv"
    begin = ["bench", one, "--codecs", CODECS, "--jobs", 1, "--no-cache"]
    result = invoke(*begin, "--metrics", "psnr_rgb_db", "--out", first)
    assert result.exit_code == 0, result.output
    begin += ["--out", second, "--points-from", first / "results.json"]
    result = invoke(*begin, "--metrics", METRICS)
    assert result.exit_code == 0, result.output
    assert "8, 0 from the cache, 8 from earlier runs, 0 failed" in result.stdout
    assert "ssim: 8 points of earlier runs lack it" in result.stderr
    page = (second / "index.html").read_text()
    assert "8 of the points were not measured by this run" in page
    assert "ssim: 8 points" in page
    record = json.loads(
        invoke(*begin, "--metrics", METRICS, "--overwrite", "--json", "--codecs", "x264").stdout
    )
    assert (record["from_earlier"], record["lacking"]) == (4, {"ssim": 4})


def test_a_speed_that_cannot_be_measured_costs_no_table(
    invoke: Invoke, clips: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuses(clip: Path, **options: Any) -> SpeedResult:
        raise OutputFailed("the anchor refuses this clip")

    monkeypatch.setattr(speed, "measure_speed", refuses)
    begin = ["bench", clips / "one.mkv", "--codecs", "frozen", "--metrics", "psnr_rgb_db"]
    result = invoke(*begin, "--jobs", 1, "--no-cache", "--speed", "--out", tmp_path / "out")
    assert result.exit_code == OutputFailed.exit_code
    assert "the anchor refuses this clip" in result.stderr
    assert result.stdout.count("frozen ") >= 4


def test_a_short_clip_is_counted_as_failed(invoke: Invoke, clips: Path, tmp_path: Path) -> None:
    manifest = clips / "manifest.csv"
    manifest.write_text("clip,split\none,val\nshort,val\ntwo,train\n")
    begin = ["bench", "--clips-from", manifest, "--split", "val", "--codecs", "frozen"]
    begin += ["--metrics", "psnr_y_db", "--jobs", 1, "--no-cache", "--out", tmp_path / "out"]
    result = invoke(*begin)
    assert result.exit_code == 0, result.output
    assert "short.mkv" in result.stderr
    assert "3 frames" in result.stderr
    means, *_ = result.stdout.split("\n\n")
    assert {line.split()[-2:][0] for line in means.splitlines() if "crf" in line} == {"1"}
    page = (tmp_path / "out" / "index.html").read_text()
    assert "3 frames; measuring needs 8" in page


@pytest.mark.parametrize(
    ("exit_code", "extra"),
    [
        (2, []),
        (2, ["one.mkv", "--split", "val"]),
        (2, ["one.mkv", "--cache", "c", "--no-cache"]),
        (2, ["one.mkv", "--codecs", "nothing-like-that"]),
        (2, ["one.mkv", "--codecs", ","]),
        (2, ["one.mkv", "--metrics", "beauty"]),
        (2, ["one.mkv", "--metrics", "identity"]),
        (3, ["one.mkv", "--points-from", "manifest.csv"]),
        (3, ["one.mkv", "--points-from", "absent.json"]),
        (3, ["absent.mkv"]),
        (6, ["short.mkv"]),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else None,
)
def test_what_cannot_work_is_refused_before_anything_is_measured(
    invoke: Invoke,
    clips: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    exit_code: int,
    extra: list[str],
) -> None:
    monkeypatch.chdir(clips)
    monkeypatch.delenv("IMFCODEC_RECOGNISER", raising=False)
    extra = [*extra] if "--codecs" in extra else [*extra, "--codecs", "frozen"]
    result = invoke("bench", *extra, "--out", tmp_path / "out")
    assert result.exit_code == exit_code, result.output
    assert not (tmp_path / "out" / "results.json").exists()


@pytest.mark.skipif(os.name != "posix", reason="signals of POSIX")
def test_a_stopped_run_leaves_its_results(
    invoke: Invoke, environment: dict[str, str], tmp_path: Path
) -> None:
    """Interrupted when the first point is counted and others are to come."""
    clip = write_clip(tmp_path / "long.mkv", frames=2000)
    out, cache = tmp_path / "out", tmp_path / "cache"
    begin = ["bench", clip, "--out", out, "--codecs", CODECS, "--metrics", "psnr_rgb_db"]
    with subprocess.Popen(
        command(*begin, "--jobs", 1, "--cache", cache),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment,
        text=True,
        start_new_session=True,
    ) as process:
        deadline = time.monotonic() + 60
        while len(list(cache.rglob("entry.json"))) < 2:
            assert time.monotonic() < deadline
            assert process.poll() is None
            time.sleep(0.05)
        os.killpg(process.pid, signal.SIGINT)  # as a terminal does
        try:
            _, errors = process.communicate(timeout=60)
        finally:
            process.kill()
    assert process.returncode == 130, errors
    assert "Traceback" not in errors
    assert str(out) in errors
    points = Results.load(out / "results.json").points
    stopped = [p for p in points if p.error == "not measured: the run was stopped"]
    assert 0 < len(stopped) < len(points)
    assert (out / "index.html").is_file()
    # They are no reason to refuse to go on: what is refused here comes after that.
    again = invoke("bench", clip, "--out", out, "--metrics", "identity", "--codecs", "frozen")
    assert again.exit_code == 2, again.output


def test_speed_alone_writes_nothing(
    invoke: Invoke, clips: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fast(paths: Sequence[Path], **options: Any) -> list[RealTime]:
        assert 1 <= options["threads"] <= 2
        playing = Playing(31.25, 450 << 20, 1.2, 0.085)
        figures = (3.5, {"fast": 23.3}, {"torch": playing}, 33.3, 0.06, {"torch": playing}, 260.4)
        return [RealTime(path.stem, 64, 64, 12, 25.0, 2, *figures) for path in paths]

    monkeypatch.setattr(speed, "measure_real_time", fast)
    monkeypatch.chdir(tmp_path)
    shown = invoke("bench", "--speed", clips / "one.mkv", clips / "two.mkv")
    assert shown.exit_code == 0, shown.output
    assert shown.stdout.splitlines()[0].split() == ["figure", "one", "two"]
    lines = [line.split() for line in shown.stdout.splitlines()]
    assert ["decode,", "torch,", "longest", "gap,", "ms", "85", "85"] in lines
    record = json.loads(invoke("bench", "--speed", clips / "one.mkv", "--json").stdout)
    assert record["real_time"][0]["live_fps"] == 33.3
    assert not [*tmp_path.iterdir()]
    assert invoke("bench", "--speed").exit_code == 2
    assert invoke("bench", clips / "one.mkv").exit_code == 2
