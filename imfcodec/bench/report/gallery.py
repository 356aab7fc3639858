"""Videos and worst frames for the page, each made once.

Decoding a clip again takes far longer than everything else on the page. Videos and stills of a
coded clip are therefore cached, and a second report of the same points decodes nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from functools import partial
from itertools import islice
from typing import Any, Final, NamedTuple, TypeVar

import av.error

from imfcodec.arrays import Picture
from imfcodec.bench.fingerprint import showing_digest
from imfcodec.bench.memo import Memo
from imfcodec.bench.report.media import Film, film, still
from imfcodec.bench.report.showcase import Pair, ranked_pairs, spread, worst_pairs
from imfcodec.bench.report.tables import number
from imfcodec.bench.results import METRICS, ClipEntry, Metric, Point, Results
from imfcodec.errors import ImfcodecError, NoFrames

Pictures = Callable[[str, str, str], Iterator[Picture]]
"""(clip, codec, setting) -> decoded frames, uint8 RGB [H, W, 3]; codec "source": the clip."""

_FAILURES: Final = (ImfcodecError, OSError, av.error.FFmpegError)
_VIDEO_CLIPS: Final = 4
_WORST_CLIPS: Final = 8
_VIDEO_PIXELS: Final = 256 * 256 * 300
"""Of one video over all of its frames: ten seconds of a small picture, less of a large one."""
_MIN_VIDEO_FRAMES: Final = 25


@dataclass(frozen=True)
class Kept:
    """Where videos, stills and figures are kept.

    Attributes:
        memo: The folder.
        identity: (clip, codec, setting) -> a digest of all that their decoded frames depend on,
            None where it is not known.
    """

    memo: Memo
    identity: Callable[[str, str, str], str | None]


class View(NamedTuple):
    """One picture or video: its data: URI, what it is, and its figures."""

    uri: str
    title: str
    detail: str


class Player(NamedTuple):
    """Videos of one clip that play together; ``rate`` in frames per second."""

    clip: str
    rate: float
    frames: int
    views: tuple[View, ...]


class WorstFrame(NamedTuple):
    """One frame of one clip: source, ours, anchor."""

    clip: str
    frame: int
    detail: str
    views: tuple[View, ...]


Shown = TypeVar("Shown", Player, WorstFrame)


class Gallery(NamedTuple):
    """All pictures of the page, worst first, and what could not be shown, with the reason."""

    players: tuple[Player, ...] = ()
    worst: tuple[WorstFrame, ...] = ()
    unshown: tuple[str, ...] = ()


def gallery(results: Results, pictures: Pictures, kept: Kept | None, budget_bytes: int) -> Gallery:
    """Make what the page shows.

    Args:
        results: What was measured.
        pictures: Decodes. What it raises is named in `Gallery.unshown`.
        kept: None keeps nothing.
        budget_bytes: That the data: URIs may take together.
    """
    clips = {clip.name: clip for clip in results.clips}
    studio = _Studio(results, pictures, kept, budget_bytes)
    # Stills first: they are small, and the worst frames are what a reader must not miss.
    worst: list[WorstFrame] = []
    for pair, metric in worst_pairs(results, _WORST_CLIPS):
        what = f"worst frame of {pair.ours.clip}"
        worst += studio.take(what, partial(studio.worst_frame, pair, metric))
    players: list[Player] = []
    for pair in spread(ranked_pairs(results), _VIDEO_CLIPS):
        clip = clips[pair.ours.clip]
        players += studio.take(f"videos of {clip.name}", partial(studio.player, pair, clip))
    return Gallery(tuple(players), tuple(worst), tuple(studio.unshown))


class _Studio:
    """Makes views within a number of bytes, and lists what it could not make."""

    def __init__(
        self, results: Results, pictures: Pictures, kept: Kept | None, budget_bytes: int
    ) -> None:
        self.unshown: list[str] = []
        self._left_bytes = budget_bytes
        self._labels = {codec.name: codec.label for codec in results.codecs}
        self._pictures = pictures
        self._kept = kept

    def take(self, what: str, make: Callable[[], Shown]) -> list[Shown]:
        """What is made, alone; nothing if that fails or there is no room for it."""
        try:
            made = make()
        except _FAILURES as error:
            self.unshown.append(f"{what}: {error}")
            return []
        size_bytes = sum(len(view.uri) for view in made.views)
        if size_bytes > self._left_bytes:
            self.unshown.append(f"{what}: it would make the page too large")
            return []
        self._left_bytes -= size_bytes
        return [made]

    def worst_frame(self, pair: Pair, metric: Metric) -> WorstFrame:
        score = pair.ours.scores[metric.name]
        frame = score.worst_frame or 0

        def make(*point: str) -> list[Any]:
            picture = next(islice(self._pictures(*point), frame, None), None)
            if picture is None:
                raise NoFrames(f"there is no frame {frame}")
            return [still(picture), 1]

        views = tuple(view for view, _ in self._views(pair, ["still", frame], make))
        detail = f"{metric.label} of the 5 % worst: {number(score.worst, metric)}"
        return WorstFrame(pair.ours.clip, frame, detail, views)

    def player(self, pair: Pair, clip: ClipEntry) -> Player:
        rate = Fraction(clip.rate_fps).limit_denominator(1001)
        limit = max(_MIN_VIDEO_FRAMES, _VIDEO_PIXELS // (clip.width * clip.height))

        def make(*point: str) -> list[Any]:
            made = film(self._pictures(*point), rate, limit)
            return [made.uri, made.frames]

        shown = self._views(pair, ["film", str(rate), limit], make)
        frames = min(clip.frames, *(frames for _, frames in shown))
        return Player(clip.name, float(rate), frames, tuple(view for view, _ in shown))

    def _views(
        self, pair: Pair, what: list[Any], make: Callable[[str, str, str], list[Any]]
    ) -> list[tuple[View, int]]:
        """Source, ours and anchor with their numbers of frames; a lost anchor is named."""
        ours, anchor = pair.ours, pair.anchor
        source = self._once((ours.clip, "source", ""), what, make)
        views = [(View(source.uri, "Source", "the decoded clip, the reference"), source.frames)]
        for point in (ours, anchor):
            if point is None:
                continue
            try:
                made = self._once((point.clip, point.codec, point.setting), what, make)
            except _FAILURES as error:
                if point is ours:
                    raise
                line = f"{point.codec} next to ours on {point.clip}: {error}"
                if line not in self.unshown:
                    self.unshown.append(line)
            else:
                view = View(made.uri, self._labels[point.codec], _figures(point))
                views.append((view, made.frames))
        return views

    def _once(
        self,
        point: tuple[str, str, str],
        what: list[Any],
        make: Callable[[str, str, str], list[Any]],
    ) -> Film:
        if self._kept is None:
            return Film(*make(*point))
        memo, identity = self._kept.memo, self._kept.identity(*point)
        known = memo.get([identity, what, showing_digest()]) if identity is not None else None
        if known is not None:
            return Film(*known)
        made = make(*point)
        # Asked again: decoding may have had to code the clip first.
        identity = self._kept.identity(*point)
        if identity is not None:
            memo.put([identity, what, showing_digest()], made)
        return Film(*made)


def _figures(point: Point) -> str:
    """Setting, rate, and the first two metrics and the motion error where measured."""
    held = [m for m in METRICS if m.name in point.scores]
    chosen = [*held[:2], *(m for m in held[2:] if m.name in ("psnr_rgb_db", "motion_error"))]
    values = [f"{m.label} {number(point.scores[m.name].mean, m)}" for m in chosen]
    return ", ".join([point.setting, f"{point.rate_kbps:.2f} kbps", *values])
