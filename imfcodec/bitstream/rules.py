"""The one way in which a broken rule of the format is reported."""

from __future__ import annotations

from imfcodec.errors import CorruptStream


def require(condition: bool, rule: str) -> None:
    """Checks a rule.

    Raises:
        CorruptStream: The condition is false; `rule` says what was found.
    """
    if not condition:
        raise CorruptStream(rule)
