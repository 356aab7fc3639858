"""Colours and strokes: told apart by dashes and markers too, on paper without colour."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import count
from typing import Final

from imfcodec.bench.report.curves import Curve


@dataclass(frozen=True)
class Theme:
    """Colours of a figure: any that matplotlib knows. ``ours`` and ``anchors`` repeat."""

    ground: str
    text: str
    grid: str
    ours: tuple[str, ...]
    anchors: tuple[str, ...]
    floor: str


LIGHT: Final = Theme(
    ground="#ffffff",
    text="#1f2328",
    grid="#dfe3e8",
    ours=("#b3121d", "#7a1fa2", "#c25700"),
    anchors=("#3f6f9f", "#8a7433", "#4d8265", "#86628f", "#5f6b76", "#a0685a"),
    floor="#6e7781",
)
DARK: Final = Theme(
    ground="#12161c",
    text="#e6edf3",
    grid="#2b323b",
    ours=("#ff6b6b", "#d79bff", "#ffb066"),
    anchors=("#85b1dd", "#cdb870", "#86bf9f", "#c3a0cc", "#a3afba", "#d9a394"),
    floor="#8b949e",
)


@dataclass(frozen=True)
class Stroke:
    """How a curve is drawn, in matplotlib's terms; widths and sizes in points."""

    colour: str
    width: float
    dashes: str | tuple[int, tuple[float, ...]]
    marker: str
    marker_size: float
    order: int


_DASHES: Final = (
    (0, (6.0, 1.8)),
    (0, (2.6, 1.4)),
    (0, (7.0, 1.6, 1.4, 1.6)),
    (0, (10.0, 2.4)),
    (0, (4.0, 1.4, 1.2, 1.4, 1.2, 1.4)),
    (0, (1.8, 1.0)),
)
_ANCHOR_MARKERS: Final = ("s", "^", "D", "v", "P", "X")
_OURS_MARKERS: Final = ("o", "*", "h")


def strokes_of(found: Iterable[Curve], theme: Theme) -> list[Stroke]:
    """A stroke for each curve: no two of one role alike before the theme's colours run out."""
    strokes = []
    ours, anchors = count(), count()
    for curve in found:
        if curve.role == "ours":
            n = next(ours)
            colour, marker = theme.ours[n % len(theme.ours)], _OURS_MARKERS[n % len(_OURS_MARKERS)]
            strokes.append(Stroke(colour, 2.6, "-", marker, 6.0, 6))
        elif curve.role == "floor":
            strokes.append(Stroke(theme.floor, 1.7, ":", "x", 4.5, 3))
        else:
            n = next(anchors)
            colour, dashes = theme.anchors[n % len(theme.anchors)], _DASHES[n % len(_DASHES)]
            marker = _ANCHOR_MARKERS[n % len(_ANCHOR_MARKERS)]
            strokes.append(Stroke(colour, 1.25, dashes, marker, 4.2, 4))
    return strokes
