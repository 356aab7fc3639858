"""index.html: one self-contained file, from the template, style and script in this folder."""

from __future__ import annotations

import base64
import hashlib
from collections import Counter
from collections.abc import Sequence
from importlib.resources import files
from typing import NamedTuple

from imfcodec.bench.report.curves import measured_metrics
from imfcodec.bench.report.gallery import Gallery
from imfcodec.bench.report.showcase import RATE_TOLERANCE, SHOWN_RATE_KBPS, ranked_pairs
from imfcodec.bench.report.tables import (
    bd_refusals,
    bd_tables,
    clips_table,
    coding_speed_table,
    gaps,
    means_tables,
    speed_tables,
)
from imfcodec.bench.results import Results
from imfcodec.bench.speed.result import SpeedResult
from imfcodec.bench.summary import bd_rates
from imfcodec.errors import OptionError

_RULE = (
    f"Ours at the setting whose mean rate is nearest to {SHOWN_RATE_KBPS:g} kbps, on clips "
    "spread evenly from its worst to its best. Beside it the best anchor of at most "
    f"{RATE_TOLERANCE:g} times its rate on this clip; where all need more, one of the least."
)
_BY_DIGEST = (
    "the clip's bytes and the digests of codec and metric, code and versions, are those of this run"
)
_BY_VERSION = (
    "the clip's bytes, the codec's version and options, and the releases of the libraries that "
    "code, decode and measure are those of this run; the file holds no digests of the code"
)


class FigureView(NamedTuple):
    """Curves as data: URIs for light and dark pages, and in words."""

    light: str
    dark: str
    description: str


class Page:
    """The page of one run; its tables are made once, however often it is rendered."""

    def __init__(
        self, results: Results, figures: Sequence[FigureView], speed: SpeedResult | None
    ) -> None:
        """Make everything but the pictures.

        Raises:
            OptionError: Jinja2 or scipy is not installed.
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
        compared = {m: bd_rates(results, m.name) for m in measured_metrics(results)}
        taken = Counter(point.origin for point in results.points if point.origin is not None)
        means_table, worst_table = means_tables(results)
        self._results = results
        self._template = environment.from_string(_text("page.html.j2"))
        self._context = {
            "style": Markup(style),
            "style_hash": _policy_hash(style),
            "script": Markup(script),
            "script_hash": _policy_hash(script),
            "results": results,
            "taken": taken.total(),
            "sources": [
                (source, taken[source.id], _BY_DIGEST if source.metric_digests else _BY_VERSION)
                for source in results.sources
            ],
            "bd_tables": bd_tables(compared, len(results.clips)),
            "bd_refusals": list(bd_refusals(compared)),
            "figures": figures,
            "rule": _RULE,
            "means_table": means_table,
            "worst_table": worst_table,
            "clips_table": clips_table(results, ranked_pairs(results)),
            "speed_tables": [*(speed_tables(speed) if speed else ()), coding_speed_table(results)],
        }

    def render(self, shown: Gallery) -> str:
        """The page as HTML.

        Everything that comes from results is escaped, and the page's own policy lets it run no
        script but its own and fetch nothing.

        Args:
            shown: Its videos and worst frames.
        """
        return self._template.render(
            **self._context,
            gaps=gaps(self._results, shown.unshown),
            players=shown.players,
            worst=shown.worst,
        )


def _policy_hash(text: str) -> str:
    """As a content security policy names an inline script or style."""
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"


def _text(name: str) -> str:
    return files(__package__).joinpath(name).read_text("utf-8")
