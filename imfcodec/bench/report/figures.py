"""Rate-distortion curves as figures, readable on paper without colour.

Ours is thick and solid; anchors are thin, each with a dash pattern and a marker of its own;
the frozen key frame is dotted. Names stand beside the curves.
"""

from __future__ import annotations

import base64
import io
import textwrap
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, Final, Literal

import numpy as np
import numpy.typing as npt

from imfcodec.bench.fingerprint import drawing_digest
from imfcodec.bench.memo import Memo
from imfcodec.bench.report.curves import Curve, CurvePoint
from imfcodec.bench.report.names import Box, place
from imfcodec.bench.report.theme import DARK, LIGHT, Stroke, Theme, strokes_of
from imfcodec.bench.results import Metric
from imfcodec.errors import OptionError

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_SIZE_INCHES: Final = (7.2, 4.4)
_PNG_DPI: Final = 200
_NAME_PT: Final = 9.0
_NAME_CHARACTERS: Final = 20
"""On a line of a curve's name: what fits into the margin."""

_LEADER: Final = {"arrowstyle": "-", "linewidth": 0.6, "shrinkA": 1, "shrinkB": 3}
"""From a name that had to move away from its curve."""


def draw(metric: Metric, found: Sequence[Curve], clips: int, theme: Theme = LIGHT) -> Figure:
    """A figure of one metric, of which no global state of matplotlib knows.

    ``found`` holds at least one curve; the caption names the number of ``clips`` in the means.

    Raises:
        OptionError: matplotlib is not installed.
    """
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError as error:
        raise OptionError("figures need matplotlib: pip install 'imfcodec[bench]'") from error
    figure = Figure(figsize=_SIZE_INCHES, facecolor=theme.ground)
    FigureCanvasAgg(figure)
    axes = figure.add_axes((0.085, 0.125, 0.69, 0.745))
    strokes = strokes_of(found, theme)
    for curve, stroke in zip(found, strokes, strict=True):
        _draw_curve(axes, curve, stroke, theme)
    _finish(axes, metric, clips, theme)
    _limit(axes, found)
    _name_curves(figure, axes, found, strokes, theme)
    return figure


def image(figure: Figure, kind: Literal["png", "svg"]) -> bytes:
    """A figure as a file's bytes; the same figure gives the same bytes."""
    import matplotlib as mpl

    file = io.BytesIO()
    # The salt names the SVG's elements; without one they are named at random.
    with mpl.rc_context({"svg.hashsalt": "imfcodec"}):
        metadata: dict[str, Any] = {"Date": None} if kind == "svg" else {"Software": None}
        figure.savefig(
            file, format=kind, dpi=_PNG_DPI, facecolor=figure.get_facecolor(), metadata=metadata
        )
    return file.getvalue()


def drawing(
    metric: Metric, found: Sequence[Curve], clips: int, memo: Memo | None
) -> tuple[bytes, bytes, bytes]:
    """PNG and SVG on a light ground, and SVG on a dark one, of the figure that `draw` describes.

    A memo keeps them for the next report of the same curves.
    """
    key = ["figure", asdict(metric), [asdict(curve) for curve in found], clips, drawing_digest()]
    if memo and (known := memo.get(key)):
        png, svg, dark_svg = map(base64.b64decode, known)
        return png, svg, dark_svg
    light = draw(metric, found, clips, LIGHT)
    dark = draw(metric, found, clips, DARK)
    files = image(light, "png"), image(light, "svg"), image(dark, "svg")
    if memo:
        memo.put(key, [base64.b64encode(data).decode() for data in files])
    return files


def _draw_curve(axes: Axes, curve: Curve, stroke: Stroke, theme: Theme) -> None:
    for member in curve.members:
        if len(curve.members) > 1 or not set(member) <= set(curve.envelope):
            axes.plot(*_xy(member), color=stroke.colour, linewidth=0.7, alpha=0.28, zorder=2)
    axes.plot(
        *np.array(curve.line).reshape(-1, 2).T,
        color=stroke.colour,
        linewidth=stroke.width,
        linestyle=stroke.dashes,
        zorder=stroke.order,
    )
    # Of ours every point has its marker, also one that is worse than its neighbours.
    marked = _in_sight(curve) if curve.role == "ours" else curve.envelope
    for complete in (True, False):
        points = [p for p in marked if p.complete is complete]
        axes.plot(
            *_xy(points),
            color=stroke.colour,
            linestyle="none",
            marker=stroke.marker,
            markersize=stroke.marker_size,
            markerfacecolor=stroke.colour if complete else theme.ground,
            markeredgecolor=stroke.colour,
            zorder=stroke.order + 0.5,
        )


def _xy(points: Iterable[CurvePoint]) -> tuple[list[float], list[float]]:
    points = list(points)
    return [p.rate_kbps for p in points], [p.value for p in points]


def _finish(axes: Axes, metric: Metric, clips: int, theme: Theme) -> None:
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    axes.set_xscale("log")
    axes.xaxis.set_major_locator(LogLocator(base=10, subs=(1.0, 2.0, 5.0)))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda x, _: f"{x:g}"))
    axes.xaxis.set_minor_locator(LogLocator(base=10, subs=tuple(float(n) for n in range(1, 10))))
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.set_facecolor(theme.ground)
    axes.grid(True, which="major", color=theme.grid, linewidth=0.7)
    axes.set_axisbelow(True)
    axes.tick_params(which="both", colors=theme.text, labelsize=9, length=0)
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.spines["bottom"].set_color(theme.text)
    axes.set_xlabel("rate, kbit/s (all bytes, logarithmic)", color=theme.text, fontsize=9.5)
    axes.set_title(
        metric.label, loc="left", color=theme.text, fontsize=12, fontweight="bold", pad=20
    )
    better = "higher is better" if metric.higher_is_better else "lower is better"
    noun = "clip" if clips == 1 else "clips"
    axes.annotate(
        f"mean over {clips} {noun}, {better}",
        (0, 1),
        xytext=(0, 7),
        xycoords="axes fraction",
        textcoords="offset points",
        color=theme.floor,
        fontsize=9,
    )


def _limit(axes: Axes, found: Sequence[Curve]) -> None:
    """Room for the envelopes, and for all of ours: no bad point of ours may be out of sight.

    The floor's worse half and what hopeless members of anchors do may run out of the picture:
    they would press together what is to be compared.
    """
    rates = [p.rate_kbps for curve in found for p in curve.envelope]
    values = [p.value for curve in found for p in _in_sight(curve)]
    low, high = min(values), max(values)
    margin = 0.07 * (high - low) or 0.05 * abs(high) or 1.0
    axes.set_xlim(min(rates) / 1.12, max(rates) * 1.12)
    axes.set_ylim(low - margin, high + margin)


def _in_sight(curve: Curve) -> tuple[CurvePoint, ...]:
    match curve.role:
        case "ours":
            return tuple(point for member in curve.members for point in member)
        case "floor":
            return curve.envelope[-1:]
    return curve.envelope


def _name_curves(
    figure: Figure, axes: Axes, found: Sequence[Curve], strokes: Sequence[Stroke], theme: Theme
) -> None:
    """Write each family's name at its curve, where it covers neither curves nor names."""
    from matplotlib import patheffects

    scale = 72 / figure.dpi
    paths = [
        np.array(axes.transData.transform(np.column_stack(_xy(c.envelope))) * scale) for c in found
    ]
    frame = axes.get_window_extent()
    right = figure.bbox.x1 * scale
    room = Box(frame.x0 * scale, frame.y0 * scale, right, frame.y1 * scale)
    taken = [Box(x - 3, y - 3, x + 3, y + 3) for path in paths for x, y in _samples(path)]
    for path, stroke in zip(paths, strokes, strict=True):
        reach = stroke.marker_size / 2 + 3
        taken += [Box(x - reach, y - reach, x + reach, y + reach) for x, y in path]
    # Ours first: it has the choice.
    for n in sorted(range(len(found)), key=lambda n: -strokes[n].order):
        curve, stroke, path = found[n], strokes[n], paths[n]
        bold = curve.role == "ours"
        lines = textwrap.wrap(curve.family, _NAME_CHARACTERS)
        width = (0.68 if bold else 0.6) * _NAME_PT * max(map(len, lines))
        box, point = place(path, width, 1.25 * _NAME_PT * len(lines), taken, room, bold)
        taken.append(box)
        x, y = path[point]
        on_the_right = box.left > x
        middle = (box.bottom + box.top) / 2
        axes.annotate(
            "\n".join(lines),
            (curve.envelope[point].rate_kbps, curve.envelope[point].value),
            xytext=((box.left if on_the_right else box.right) - x, middle - y),
            textcoords="offset points",
            ha="left" if on_the_right else "right",
            va="center",
            color=stroke.colour,
            fontsize=_NAME_PT,
            fontweight="bold" if bold else "normal",
            linespacing=1.1,
            annotation_clip=False,
            zorder=9,
            path_effects=[patheffects.withStroke(linewidth=2.5, foreground=theme.ground)],
            arrowprops={**_LEADER, "color": stroke.colour}
            if abs(middle - y) > 1.5 * _NAME_PT
            else None,
        )


def _samples(path: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Points [N, 2] along a polyline, dense enough for a name not to slip between."""
    if len(path) < 2:
        return path
    steps = np.linspace(0, len(path) - 1, 40 * len(path))
    index = np.arange(len(path))
    return np.column_stack([np.interp(steps, index, path[:, axis]) for axis in (0, 1)])
