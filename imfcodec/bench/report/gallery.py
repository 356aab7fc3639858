"""Videos and worst frames for the page."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Final, TypeVar

import av.error

from imfcodec.bench.report.shots import Shots
from imfcodec.bench.report.showcase import Pair, ranked_pairs, spread, worst_pairs
from imfcodec.bench.report.table import number
from imfcodec.bench.results import METRICS, ClipEntry, Point, Results
from imfcodec.errors import ImfcodecError

SOURCE: Final = "source"

Made = TypeVar("Made")
"""What is made of decoded frames: a video or a still."""

_FAILURES: Final = (ImfcodecError, OSError, av.error.FFmpegError)
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


def gallery(results: Results, shots: Shots, budget_bytes: int) -> Gallery:
    """Make what the page shows.

    Args:
        results: What was measured.
        shots: Makes videos and stills.
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
        frame = score.worst_frame or 0
        try:
            views = _stills(pair, frame, shots, labels, budget.unshown)
        except _FAILURES as error:
            budget.unshown.append(f"{what}: {error}")
            continue
        if budget.take(what, views):
            detail = f"{metric.label} of the 5 % worst: {number(score.worst, metric)}"
            worst.append(WorstFrame(pair.ours.clip, frame, detail, views))
    players = []
    for pair in spread(ranked_pairs(results), _VIDEO_CLIPS):
        clip = clips[pair.ours.clip]
        what = f"videos of {clip.name}"
        try:
            player = _player(pair, clip, shots, labels, budget.unshown)
        except _FAILURES as error:
            budget.unshown.append(f"{what}: {error}")
            continue
        if budget.take(what, player.views):
            players.append(player)
    return Gallery(tuple(players), tuple(worst), tuple(budget.unshown))


def _stills(
    pair: Pair, frame: int, shots: Shots, labels: Mapping[str, str], unshown: list[str]
) -> tuple[View, ...]:
    shown = _shown(pair, lambda point: shots.still(point, frame), unshown)
    return tuple(View(uri, _title(point, labels), _figures(point)) for point, uri in shown)


def _player(
    pair: Pair, clip: ClipEntry, shots: Shots, labels: Mapping[str, str], unshown: list[str]
) -> Player:
    rate = Fraction(clip.rate_fps).limit_denominator(1001)
    limit = max(_MIN_VIDEO_FRAMES, _VIDEO_PIXELS // (clip.width * clip.height))
    shown = _shown(pair, lambda point: shots.film(point, rate, limit), unshown)
    views = tuple(View(f.uri, _title(point, labels), _figures(point)) for point, f in shown)
    frames = min(clip.frames, *(f.frames for _, f in shown))
    return Player(clip.name, float(rate), frames, views)


def _shown(
    pair: Pair, make: Callable[[tuple[str, str, str]], Made], unshown: list[str]
) -> list[tuple[Point | None, Made]]:
    """Of source (whose point is None), ours and anchor; an anchor that cannot be had is named."""
    ours, anchor = pair.ours, pair.anchor
    made: list[tuple[Point | None, Made]] = [(None, make((ours.clip, SOURCE, "")))]
    made.append((ours, make(_where(ours))))
    if anchor is not None:
        try:
            made.append((anchor, make(_where(anchor))))
        except _FAILURES as error:
            line = f"{anchor.codec} next to ours on {anchor.clip}: {error}"
            if line not in unshown:
                unshown.append(line)
    return made


def _where(point: Point) -> tuple[str, str, str]:
    return point.clip, point.codec, point.setting


def _title(point: Point | None, labels: Mapping[str, str]) -> str:
    return "Source" if point is None else labels[point.codec]


def _figures(point: Point | None) -> str:
    """Setting, rate, and the first two metrics and the motion error where measured."""
    if point is None:
        return "the decoded clip, the reference"
    held = [m for m in METRICS if m.name in point.scores]
    chosen = [*held[:2], *(m for m in held[2:] if m.name in ("psnr_rgb_db", "motion_error"))]
    values = [f"{m.label} {number(point.scores[m.name].mean, m)}" for m in chosen]
    return ", ".join([point.setting, f"{point.rate_kbps:.2f} kbps", *values])
