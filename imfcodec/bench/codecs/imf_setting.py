"""Settings of our own codec: the name of a point describes its options.

crf34-q1-k2.5-r8
  │    │  │    └─ steps of refinement; left out: the sender's default
  │    │  └────── longest time between key frames in seconds; left out: one key frame
  │    └───────── quantiser of tokens
  └────────────── quality of key frames
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

from imfcodec.config import EncodeOptions
from imfcodec.errors import OptionError


@dataclass(frozen=True)
class Part:
    """One part of a setting: letters and a number.

    Attributes:
        letters: Before the number.
        option: The field of `EncodeOptions` that the number sets.
        kind: Its type; only of a `float` the number may have decimals.
        optional: Whether the part may be left out, which sets the option to None.
    """

    letters: str
    option: str
    kind: Callable[[str], object]
    optional: bool = False

    @property
    def pattern(self) -> str:
        """A regular expression with the option's name as its group."""
        number = r"\d+(?:\.\d+)?" if self.kind is float else r"\d+"
        return f"{self.letters}(?P<{self.option}>{number})"


PARTS: Final = (
    Part("crf", "key_crf", int),
    Part("q", "quantiser", int),
    Part("k", "keyframe_interval_s", float, optional=True),
    Part("r", "refine", int, optional=True),
)
"""In the order in which they stand; a further choice of the sender is a further optional part."""

_SETTING: Final = re.compile(
    PARTS[0].pattern + "".join(f"(?:-{p.pattern}){'?' if p.optional else ''}" for p in PARTS[1:]),
    re.ASCII,
)


def with_setting(options: EncodeOptions, setting: str) -> EncodeOptions:
    """Options of the sender as a setting changes them.

    Raises:
        OptionError: It is no setting, or a number is out of range.
    """
    match = _SETTING.fullmatch(setting)
    if not match:
        raise OptionError(f"{setting!r} is no setting; examples are crf34-q2 and crf34-q2-k3")
    numbers = {part: match[part.option] for part in PARTS}
    given = {p.option: p.kind(n) if n is not None else None for p, n in numbers.items()}
    return replace(options, **given)  # type: ignore[arg-type]
