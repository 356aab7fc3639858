"""The report: its files, its figures, and the page as a browser sees it."""

from __future__ import annotations

import base64
import csv
import dataclasses
import io
import math
import shutil
import subprocess
import sys
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from fractions import Fraction
from html.parser import HTMLParser
from pathlib import Path

import av
import numpy as np
import pytest

from imfcodec.bench.memo import Memo
from imfcodec.bench.report import write_report
from imfcodec.bench.report.curves import CurvePoint, best, curves, measured_metrics
from imfcodec.bench.report.figures import draw, image
from imfcodec.bench.report.gallery import Gallery, Kept, gallery
from imfcodec.bench.report.media import film, still
from imfcodec.bench.report.names import Box, place
from imfcodec.bench.report.page import Page as Rendering
from imfcodec.bench.report.showcase import ranked_pairs, spread, worst_pairs
from imfcodec.bench.report.tables import gaps
from imfcodec.bench.report.theme import DARK
from imfcodec.bench.report.write import MAX_PAGE_BYTES
from imfcodec.bench.results import METRICS, Metric, Point, Results, Score, Source
from imfcodec.errors import InputUnreadable, NoFrames, OptionError
from tests.bench.samples import FRAMES, SIDE, sample_pictures, sample_results
from tests.conftest import moving_picture

LPIPS = METRICS[0]
HOSTILE = "<script>document.title='broken'</script>\"'><img src=x onerror=alert(1)>"


class Page(HTMLParser):
    """What a page refers to, runs and says."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.links: list[str] = []
        self.tags: list[str] = []
        self.handlers: list[str] = []
        self.policy = ""
        self.text = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        values = {name: value or "" for name, value in attrs}
        self.links += [values[n] for n in ("src", "srcset", "href", "poster") if n in values]
        self.handlers += [name for name in values if name.startswith("on")]
        if values.get("http-equiv") == "Content-Security-Policy":
            self.policy = values["content"]

    def handle_data(self, data: str) -> None:
        self.text += data


def with_point(results: Results, number: int, **changes: object) -> Results:
    points = list(results.points)
    points[number] = dataclasses.replace(points[number], **changes)
    return dataclasses.replace(results, points=tuple(points))


def with_failure(results: Results, error: str = "it broke") -> Results:
    """The third point, of ours on the first clip, failed."""
    point = results.points[2]
    failed = Point(point.clip, point.codec, point.setting, error=error)
    return dataclasses.replace(results, points=(*results.points[:2], failed, *results.points[3:]))


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A report with pictures, of which one clip has a hostile name."""
    folder = tmp_path_factory.mktemp("report") / "deep"
    results = with_failure(sample_results(("anna", HOSTILE)), HOSTILE)
    written = write_report(results, folder, pictures=sample_pictures)
    assert {path.name for path in written} == {path.name for path in folder.iterdir()}
    assert written[-1].name == "index.html"
    return folder


@pytest.fixture(scope="module")
def page(report: Path) -> Page:
    return Page((report / "index.html").read_text("utf-8"))


def test_the_results_come_back(report: Path) -> None:
    results = with_failure(sample_results(("anna", HOSTILE)), HOSTILE)
    assert Results.load(report / "results.json") == results


def test_every_point_has_its_line(report: Path) -> None:
    results = Results.load(report / "results.json")
    with (report / "points.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == len(results.points)
    for row, point in zip(rows, results.points, strict=True):
        assert (row["clip"], row["codec"], row["setting"]) == (
            point.clip,
            point.codec,
            point.setting,
        )
        assert row["error"] == (point.error or "")
        if point.error:
            assert row["rate_kbps"] == row["lpips_alex"] == ""
        else:
            assert float(row["rate_kbps"]) == point.rate_kbps
            assert float(row["lpips_alex_worst"]) == point.scores["lpips_alex"].worst
            assert row["motion_error_worst"] == ""
    assert rows[0]["role"] == "ours"


@pytest.mark.parametrize("name", ["lpips_alex", "psnr_rgb_db", "ssim", "motion_error"])
def test_each_metric_has_its_figure(report: Path, name: str) -> None:
    root = ET.fromstring((report / f"{name}.svg").read_text())
    assert root.tag.endswith("}svg")
    with av.open(str(report / f"{name}.png")) as file:
        pixels = next(file.decode(video=0)).to_ndarray(format="rgb24")
    assert pixels.shape[1] > 1000
    assert colours(pixels) > 20  # curves of several colours


def test_a_figure_is_the_same_every_time() -> None:
    results = sample_results()
    found = curves(results, LPIPS)
    assert image(draw(LPIPS, found, 3), "svg") == image(draw(LPIPS, found, 3), "svg")
    assert image(draw(LPIPS, found, 3), "svg") != image(draw(LPIPS, found, 3, DARK), "svg")


def test_figures_leave_no_state_behind() -> None:
    import matplotlib as mpl
    from matplotlib import pyplot

    before = dict(mpl.rcParams)
    image(draw(LPIPS, curves(sample_results(), LPIPS), 3), "svg")
    assert dict(mpl.rcParams) == before
    assert pyplot.get_fignums() == []


def test_a_family_is_drawn_at_its_best() -> None:
    found = {curve.family: curve for curve in curves(sample_results(), LPIPS)}
    assert [len(curve.members) for curve in found.values()] == [1, 1, 2, 1]
    av1 = found["AV1, all sizes"]
    everything = [p for member in av1.members for p in member]
    assert len(everything) == 10
    for point in everything:
        assert any(p.rate_kbps <= point.rate_kbps and p.value <= point.value for p in av1.envelope)
    values = [p.value for p in av1.envelope]
    assert values == sorted(values, reverse=True)
    assert 4 < len(values) < 10


def test_a_dearer_and_worse_point_is_not_on_the_envelope() -> None:
    good, bad = CurvePoint(1.0, 0.3, True), CurvePoint(2.0, 0.4, True)
    assert best([bad, good], LPIPS) == (good,)
    assert best([bad, good], Metric("x", "x", higher_is_better=True)) == (good, bad)


def test_a_mean_that_lacks_a_clip_displaces_no_complete_one() -> None:
    lucky, whole = CurvePoint(5.0, 0.08, False), CurvePoint(5.2, 0.12, True)
    assert best([lucky, whole], LPIPS) == (lucky, whole)


def test_a_mean_that_lacks_a_clip_is_marked() -> None:
    (ours, *_) = curves(with_failure(sample_results()), LPIPS)
    assert [point.complete for point in ours.envelope] == [True, True, False, True, True, True]


def test_what_is_not_finite_is_left_out() -> None:
    results = with_point(
        sample_results(), 0, scores={"psnr_rgb_db": Score(math.inf), "ssim": Score(math.nan)}
    )
    psnr, ssim = (m for m in METRICS if m.name in ("psnr_rgb_db", "ssim"))
    for metric in (psnr, ssim):
        (ours, *_) = curves(results, metric)
        assert len(ours.members[0]) == 5
        draw(metric, curves(results, metric), 3)


@pytest.mark.parametrize("start_first", [True, False])
def test_names_cover_neither_each_other_nor_the_margin(start_first: bool) -> None:
    room = Box(0, 0, 300, 200)
    path = np.array([[80.0, 100.0], [200.0, 60.0]])
    taken: list[Box] = []
    for n in range(5):
        box, point = place(path, 60, 12, taken, room, start_first)
        assert n or point == (0 if start_first else 1)
        assert not any(box.overlaps(other) for other in taken)
        assert box.left >= 0
        assert box.right <= 300
        taken.append(box)


def test_a_name_without_any_room_stands_at_the_end() -> None:
    path = np.array([[20.0, 100.0], [200.0, 60.0]])
    everywhere = [Box(-1000, -1000, 1000, 1000)]
    box, point = place(path, 60, 12, everywhere, Box(0, 0, 300, 200), start_first=True)
    assert point == 1
    assert box.left > 200


def test_the_page_needs_nothing_else(report: Path, page: Page) -> None:
    assert len(page.links) > 20
    assert {link.partition(":")[0] for link in page.links if link[0] != "#"} == {"data"}
    text = (report / "index.html").read_text("utf-8")
    assert "url(" not in text
    assert "@import" not in text
    assert "fetch(" not in text
    assert "default-src 'none'" in page.policy
    assert "unsafe" not in page.policy
    assert (report / "index.html").stat().st_size < MAX_PAGE_BYTES


def test_nothing_from_the_results_becomes_markup(page: Page) -> None:
    assert page.tags.count("script") == 1
    assert page.handlers == []
    assert HOSTILE in page.text


def test_what_is_missing_comes_first(page: Page) -> None:
    head = page.text[: page.text.index("Rate at equal quality")]
    assert f"anna, imf at s2: {HOSTILE}" in head
    assert "VVC: no encoder of it is installed" in head
    assert "vmaf: no ffmpeg" in head


def test_nothing_missing_is_said_too() -> None:
    results = sample_results()
    codecs = tuple(codec for codec in results.codecs if codec.missing is None)
    complete = dataclasses.replace(results, codecs=codecs, metrics_missing={})
    assert gaps(complete) == ()
    cut = dataclasses.replace(complete, points=complete.points[:-1])
    assert [gap.lines for gap in gaps(cut)] == [("x264 at s4: 1 of 3 clips",)]


def test_long_lists_of_failures_are_cut() -> None:
    results = sample_results()
    points = tuple(
        Point(p.clip, p.codec, p.setting, error=f"broken {n}") for n, p in enumerate(results.points)
    )
    failed = gaps(dataclasses.replace(results, points=points))[0]
    assert failed.title == "Failed points: 75"
    assert len(failed.lines) + failed.more == 75


def test_a_run_in_which_everything_failed_has_a_report(tmp_path: Path) -> None:
    results = sample_results()
    points = tuple(Point(p.clip, p.codec, p.setting, error="broken") for p in results.points)
    written = write_report(
        dataclasses.replace(results, points=points), tmp_path, pictures=sample_pictures
    )
    assert [path.name for path in written] == ["results.json", "points.csv", "index.html"]
    assert "Failed points: 75" in written[-1].read_text("utf-8")


def test_the_tables_hold_the_figures(page: Page) -> None:
    assert "against AV1, all sizes" in page.text
    assert "−65 %" in page.text
    assert "1 (1 failed)" in page.text


def test_the_shown_setting_is_the_one_near_5_kbps() -> None:
    pairs = ranked_pairs(sample_results())
    assert [pair.ours.setting for pair in pairs] == ["s3"] * 3
    assert [pair.ours.clip for pair in pairs] == ["cora", "bert", "anna"]  # the worst first
    for pair in pairs:
        # Of those within 25 % of 5.2 kbps the half-rate curve is the best.
        assert pair.anchor is not None
        assert (pair.anchor.codec, pair.anchor.setting) == ("av1-half", "s1")
        assert pair.anchor.clip == pair.ours.clip


def test_a_far_anchor_stands_in_for_a_near_one() -> None:
    results = sample_results()
    points = tuple(p for p in results.points if p.codec == "imf" or p.rate_kbps > 20)
    for pair in ranked_pairs(dataclasses.replace(results, points=points)):
        rates = [p.rate_kbps for p in points if p.codec != "imf" and p.clip == pair.ours.clip]
        assert pair.anchor is not None
        assert pair.anchor.rate_kbps == min(rates)


def test_clips_are_spread_from_worst_to_best() -> None:
    pairs = ranked_pairs(sample_results(tuple("abcdefg")))
    assert [pair.ours.clip for pair in spread(pairs, 3)] == ["g", "d", "a"]
    assert spread(pairs, 1) == pairs[:1]
    assert spread(pairs, 9) == pairs


def test_the_worst_frames_are_those_of_the_scores() -> None:
    worst = worst_pairs(sample_results(), 2)
    assert [pair.ours.clip for pair, _ in worst] == ["cora", "bert"]
    assert {metric.name for _, metric in worst} == {"lpips_alex"}
    shown = gallery(sample_results(), sample_pictures, None, MAX_PAGE_BYTES)
    assert [case.frame for case in shown.worst] == [9, 8, 7]
    assert decoded_images(shown.worst[0].views[0].uri)[0] == pytest.approx(
        moving_picture(9, SIDE, SIDE)
    )


def test_pictures_that_cannot_be_had_are_named() -> None:
    def broken(clip: str, codec: str, setting: str) -> Iterator[np.ndarray]:
        if clip == "bert":
            raise InputUnreadable("bert is gone")
        return sample_pictures(clip, codec, setting)

    shown = gallery(sample_results(), broken, None, MAX_PAGE_BYTES)
    assert [player.clip for player in shown.players] == ["cora", "anna"]
    assert sorted(shown.unshown) == [
        "videos of bert: bert is gone",
        "worst frame of bert: bert is gone",
    ]
    named = [gap for gap in gaps(sample_results(), shown.unshown) if "not shown" in gap.title]
    assert [sorted(gap.lines) for gap in named] == [sorted(shown.unshown)]


def test_ours_is_shown_without_an_anchor_that_cannot_be_had() -> None:
    def broken(clip: str, codec: str, setting: str) -> Iterator[np.ndarray]:
        if codec.startswith("av1"):
            raise InputUnreadable("its coded clip is not here")
        return sample_pictures(clip, codec, setting)

    shown = gallery(sample_results(), broken, None, MAX_PAGE_BYTES)
    assert [[view.title for view in player.views] for player in shown.players] == [
        ["Source", "imfcodec fast"]
    ] * 3
    assert len(shown.worst) == 3
    assert sorted(shown.unshown) == [
        f"av1-half next to ours on {clip}: its coded clip is not here"
        for clip in ("anna", "bert", "cora")
    ]


def test_what_was_shown_once_is_kept(tmp_path: Path) -> None:
    made: list[tuple[str, str, str]] = []

    def counted(*point: str) -> Iterator[np.ndarray]:
        made.append((point[0], point[1], point[2]))
        return sample_pictures(*made[-1])

    def identity(clip: str, codec: str, setting: str) -> str | None:
        return None if codec == "source" else f"{clip} {codec} {setting}"

    kept = Kept(Memo(tmp_path), identity)
    first = gallery(sample_results(), counted, kept, MAX_PAGE_BYTES)
    assert len(made) == 18  # a still and a video of three views of three clips
    made.clear()
    assert gallery(sample_results(), counted, kept, MAX_PAGE_BYTES) == first
    assert {codec for _, codec, _ in made} == {"source"}  # of which the identity is not known


def test_the_page_names_what_an_earlier_run_measured() -> None:
    results = sample_results()
    source = Source(
        "abc123", "old/results.json", "imfcodec bench y", "another machine", None, {}, ()
    )
    points = tuple(
        p if p.codec == "imf" else dataclasses.replace(p, origin="abc123") for p in results.points
    )
    taken = dataclasses.replace(results, points=points, sources=(source,))
    text = Page(Rendering(taken, (), None).render(Gallery())).text
    assert "57 of the points were not measured by this run but taken from an earlier one" in text
    assert "57 points of an earlier run" in text
    assert "old/results.json, sha256 abc123" in text
    assert "the file holds no digests of the code" in text
    # Times of another machine are no speeds of this run.
    assert "x264" not in text[text.index("Coding during this run") :].partition("This run")[0]


def test_the_page_does_not_outgrow_its_limit() -> None:
    shown = gallery(sample_results(), sample_pictures, None, 60_000)
    views = [view for part in (*shown.players, *shown.worst) for view in part.views]
    assert 0 < sum(len(view.uri) for view in views) <= 60_000
    assert len(shown.players) + len(shown.worst) + len(shown.unshown) == 6
    assert any("too large" in line for line in shown.unshown)


@pytest.mark.parametrize(("side", "kind"), [(64, "video/mp4"), (33, "video/webm")])
def test_a_film_shows_its_pictures(side: int, kind: str) -> None:
    pictures = [moving_picture(n, side, side) for n in range(9)]
    coded = film(iter(pictures), Fraction(25), limit=6)
    assert coded.uri.startswith(f"data:{kind};base64,")
    assert coded.frames == 6
    shown = decoded_images(coded.uri)
    assert len(shown) == 6
    for picture, other in zip(pictures, shown, strict=False):
        assert np.abs(picture.astype(int) - other).mean() < 6  # chroma is subsampled


def test_a_still_is_exact() -> None:
    picture = np.random.default_rng(1).integers(0, 256, (9, 7, 3), np.uint8)
    (shown,) = decoded_images(still(picture))
    assert np.array_equal(shown, picture)


def test_no_pictures_are_no_film() -> None:
    with pytest.raises(NoFrames):
        film(iter(()), Fraction(25), limit=6)


@pytest.mark.parametrize("module", ["matplotlib.figure", "jinja2"])
def test_a_missing_library_is_named(
    module: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    results = sample_results()
    if module == "jinja2":  # figures would come first
        results = dataclasses.replace(results, points=())
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(OptionError, match=r"imfcodec\[bench\]"):
        write_report(results, tmp_path)


def test_measured_metrics_come_in_the_order_of_all_metrics() -> None:
    names = [metric.name for metric in measured_metrics(sample_results())]
    assert names == ["lpips_alex", "psnr_rgb_db", "ssim", "motion_error"]


@pytest.fixture(scope="module")
def browser() -> str:
    for name in ("chromium", "chromium-browser", "google-chrome", "chrome"):
        if path := shutil.which(name):
            return path
    pytest.skip("no Chromium or Chrome on PATH")


def browse(browser: str, profile: Path, *args: str) -> str:
    sandbox = ["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"]
    return subprocess.run(
        [browser, "--headless", *sandbox, f"--user-data-dir={profile}", *args],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    ).stdout


def test_the_script_runs_in_a_browser_and_names_do_not(
    browser: str, report: Path, tmp_path: Path
) -> None:
    url = (report / "index.html").as_uri()
    document = browse(browser, tmp_path, "--virtual-time-budget=4000", "--dump-dom", url)
    assert "<title>imfcodec benchmark</title>" in document
    players = document.count('class="player"')
    assert players == 2
    assert document.count('data-ready="true"') == players
    assert "controls=" not in document  # the script has put its own in their place


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_page_follows_the_colour_scheme(
    browser: str, report: Path, tmp_path: Path, scheme: str
) -> None:
    shot = tmp_path / "page.png"
    browse(
        browser,
        tmp_path / "profile",
        f"--blink-settings=preferredColorScheme={0 if scheme == 'dark' else 1}",
        "--window-size=1200,900",
        "--hide-scrollbars",
        f"--screenshot={shot}",
        (report / "index.html").as_uri(),
    )
    with av.open(str(shot)) as file:
        pixels = next(file.decode(video=0)).to_ndarray(format="rgb24")
    ground = pixels[2, 2].mean()
    assert ground < 60 if scheme == "dark" else ground > 200
    assert colours(pixels) > 50


def colours(pixels: np.ndarray) -> int:
    """How many different ones there are in uint8 [H, W, 3]."""
    return len(np.unique(pixels.astype(np.int32) @ (1 << 16, 1 << 8, 1)))


def decoded_images(uri: str) -> list[np.ndarray]:
    data = base64.b64decode(uri.partition(",")[2])
    with av.open(io.BytesIO(data)) as file:
        return [frame.to_ndarray(format="rgb24") for frame in file.decode(video=0)]


def test_the_sample_is_what_the_tests_take_it_for() -> None:
    assert len(list(sample_pictures("anna", "source", ""))) == FRAMES
