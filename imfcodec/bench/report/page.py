"""index.html: one file that loads nothing, of template, style and script beside this module."""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass
from importlib.resources import files

from imfcodec.bench.report.gallery import Gallery
from imfcodec.bench.report.gaps import gaps
from imfcodec.bench.report.savings import bd_tables, refusals
from imfcodec.bench.report.showcase import RATE_TOLERANCE, SHOWN_RATE_KBPS, ranked_pairs
from imfcodec.bench.report.table import (
    clips_table,
    coding_speed_table,
    means_table,
    speed_tables,
)
from imfcodec.bench.results import Results
from imfcodec.bench.speed.result import SpeedResult
from imfcodec.errors import OptionError


@dataclass(frozen=True)
class FigureView:
    """Curves as data: URIs for light and dark pages, and in words."""

    light: str
    dark: str
    description: str


def render(
    results: Results, figures: tuple[FigureView, ...], shown: Gallery, speed: SpeedResult | None
) -> str:
    """The page as HTML.

    Everything that comes from results is escaped, and the page's own policy lets it run no
    script but its own and fetch nothing.

    Raises:
        OptionError: Jinja2 is not installed.
    """
    try:
        from jinja2 import Environment, StrictUndefined
        from markupsafe import Markup
    except ImportError as error:
        raise OptionError("the report needs Jinja2: pip install 'imfcodec[bench]'") from error
    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    style, script = _text("page.css"), _text("page.js")
    pairs = ranked_pairs(results)
    return environment.from_string(_text("page.html.j2")).render(
        style=Markup(style),
        style_hash=_policy_hash(style),
        script=Markup(script),
        script_hash=_policy_hash(script),
        clips=results.clips,
        codecs=results.codecs,
        points=len(results.points),
        gaps=gaps(results, shown.unshown),
        bd_tables=bd_tables(results),
        bd_refusals=refusals(results),
        figures=figures,
        players=shown.players,
        rule=_RULE,
        worst=shown.worst,
        means_table=means_table(results),
        clips_table=clips_table(results, pairs),
        speed_tables=[*(speed_tables(speed) if speed else ()), coding_speed_table(results)],
        command=results.command,
        machine=results.machine,
        commit=results.commit,
        versions=results.versions,
    )


_RULE = (
    f"Ours at the setting whose mean rate is nearest to {SHOWN_RATE_KBPS:g} kbps, on clips "
    "spread evenly from its worst to its best. Beside it the best anchor of at most "
    f"{RATE_TOLERANCE:g} times its rate on this clip; where all need more, one of the least."
)


def _policy_hash(text: str) -> str:
    """As a content security policy names an inline script or style."""
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"


def _text(name: str) -> str:
    return files(__package__).joinpath(name).read_text("utf-8")
