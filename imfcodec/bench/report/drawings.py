"""The image files of a figure, drawn once."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import asdict, astuple, dataclass

from imfcodec.bench.fingerprint import drawing_digest
from imfcodec.bench.memo import Memo
from imfcodec.bench.report.curves import Curve
from imfcodec.bench.report.figures import draw, image
from imfcodec.bench.report.theme import DARK, LIGHT
from imfcodec.bench.results import Metric


@dataclass(frozen=True)
class Drawing:
    """A figure as files.

    Attributes:
        png, svg: On a light ground.
        dark_svg: On a dark one.
    """

    png: bytes
    svg: bytes
    dark_svg: bytes


def drawing(metric: Metric, found: Sequence[Curve], clips: int, memo: Memo | None) -> Drawing:
    """Draw curves, or take what was drawn of the same ones before.

    Args:
        metric: What is on the vertical axis.
        found: At least one curve.
        clips: How many clips the means are over.
        memo: None draws anew and keeps nothing.

    Raises:
        OptionError: matplotlib is not installed.
    """
    key = ["figure", asdict(metric), [asdict(curve) for curve in found], clips, drawing_digest()]
    known = memo.get(key) if memo else None
    if known is not None:
        return Drawing(*map(base64.b64decode, known))
    light = draw(metric, found, clips, LIGHT)
    dark = draw(metric, found, clips, DARK)
    made = Drawing(image(light, "png"), image(light, "svg"), image(dark, "svg"))
    if memo:
        memo.put(key, [base64.b64encode(data).decode() for data in astuple(made)])
    return made
