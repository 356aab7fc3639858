"""Videos and worst frames, decoded and coded for the page."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import islice
from typing import Final

import av.error

from imfcodec.bench.clip import Picture
from imfcodec.bench.report.media import film, still
from imfcodec.bench.report.showcase import Pair, ranked_pairs, spread, worst_pairs
from imfcodec.bench.report.table import number
from imfcodec.bench.results import METRICS, ClipEntry, Point, Results
from imfcodec.errors import ImfcodecError, NoFrames

Pictures = Callable[[str, str, str], Iterator[Picture]]
"""(clip, codec, setting) -> decoded frames, uint8 RGB [H, W, 3]."""

SOURCE: Final = "source"

_VIDEO_CLIPS: Final = 4
_WORST_CLIPS: Final = 8
_VIDEO_PIXELS: Final = 256 * 256 * 300
"""Of one video over all of its frames: ten seconds of a small picture, less of a large one."""
_MIN_VIDEO_FRAMES: Final = 25


@dataclass(frozen=True)
class View:
    """One picture or video: its data: URI, what it is, and its figures."""

    uri: str
    title: str
    detail: str


@dataclass(frozen=True)
class Player:
    """Videos of one clip that play together; ``rate`` in frames per second."""

    clip: str
    rate: float
    frames: int
    views: tuple[View, ...]


@dataclass(frozen=True)
class WorstFrame:
    """One frame of one clip: source, ours, anchor."""

    clip: str
    frame: int
    detail: str
    views: tuple[View, ...]


@dataclass(frozen=True)
class Gallery:
    """All pictures of the page.

    Attributes:
        players: Worst clip first.
        worst: Worst first.
        unshown: What could not be shown, and why.
    """

    players: tuple[Player, ...] = ()
    worst: tuple[WorstFrame, ...] = ()
    unshown: tuple[str, ...] = ()


@dataclass
class _Budget:
    """Bytes that the page may still take; what does not fit is named instead."""

    left_bytes: int
    unshown: list[str] = field(default_factory=list)

    def take(self, what: str, views: tuple[View, ...]) -> bool:
        size_bytes = sum(len(view.uri) for view in views)
        if size_bytes > self.left_bytes:
            self.unshown.append(f"{what}: it would make the page too large")
            return False
        self.left_bytes -= size_bytes
        return True


def gallery(results: Results, pictures: Pictures, budget_bytes: int) -> Gallery:
    """Decode what the page shows.

    Args:
        results: What was measured.
        pictures: Decodes.
        budget_bytes: That the data: URIs may take together.
    """
    budget = _Budget(budget_bytes)
    clips = {clip.name: clip for clip in results.clips}
    labels = {codec.name: codec.label for codec in results.codecs}
    # Stills first: they are small, and the worst frames are what a reader must not miss.
    worst = []
    for pair, metric in worst_pairs(results, _WORST_CLIPS):
        score = pair.ours.scores[metric.name]
        what = f"worst frame of {pair.ours.clip}"
        try:
            views = _stills(pair, score.worst_frame or 0, pictures, labels)
        except (ImfcodecError, OSError, av.error.FFmpegError) as error:
            budget.unshown.append(f"{what}: {error}")
            continue
        if budget.take(what, views):
            detail = f"{metric.label} of the 5 % worst: {number(score.worst, metric)}"
            worst.append(WorstFrame(pair.ours.clip, score.worst_frame or 0, detail, views))
    players = []
    for pair in spread(ranked_pairs(results), _VIDEO_CLIPS):
        clip = clips[pair.ours.clip]
        what = f"videos of {clip.name}"
        try:
            player = _player(pair, clip, pictures, labels)
        except (ImfcodecError, OSError, av.error.FFmpegError) as error:
            budget.unshown.append(f"{what}: {error}")
            continue
        if budget.take(what, player.views):
            players.append(player)
    return Gallery(tuple(players), tuple(worst), tuple(budget.unshown))


def _stills(pair: Pair, frame: int, pictures: Pictures, labels: dict[str, str]) -> tuple[View, ...]:
    return tuple(
        View(still(_frame(pictures(clip, codec, setting), frame)), title, detail)
        for clip, codec, setting, title, detail in _sides(pair, labels)
    )


def _player(pair: Pair, clip: ClipEntry, pictures: Pictures, labels: dict[str, str]) -> Player:
    rate = Fraction(clip.rate_fps).limit_denominator(1001)
    limit = max(_MIN_VIDEO_FRAMES, _VIDEO_PIXELS // (clip.width * clip.height))
    views, frames = [], clip.frames
    for name, codec, setting, title, detail in _sides(pair, labels):
        shown = film(pictures(name, codec, setting), rate, limit)
        views.append(View(shown.uri, title, detail))
        frames = min(frames, shown.frames)
    return Player(clip.name, float(rate), frames, tuple(views))


def _sides(pair: Pair, labels: dict[str, str]) -> Iterator[tuple[str, str, str, str, str]]:
    """Clip, codec, setting, title and figures of source, ours and anchor."""
    yield pair.ours.clip, SOURCE, "", "Source", "the decoded clip, the reference"
    for point in (pair.ours, pair.anchor):
        if point is not None:
            title = labels[point.codec]
            yield point.clip, point.codec, point.setting, title, _figures(point)


def _figures(point: Point) -> str:
    """Setting, rate, and the first two metrics and the motion error where measured."""
    held = [m for m in METRICS if m.name in point.scores]
    chosen = [*held[:2], *(m for m in held[2:] if m.name in ("psnr_rgb_db", "motion_error"))]
    values = [f"{m.label} {number(point.scores[m.name].mean, m)}" for m in chosen]
    return ", ".join([point.setting, f"{point.rate_kbps:.2f} kbps", *values])


def _frame(pictures: Iterator[Picture], number: int) -> Picture:
    picture = next(islice(pictures, number, None), None)
    if picture is None:
        raise NoFrames(f"there is no frame {number}")
    return picture
