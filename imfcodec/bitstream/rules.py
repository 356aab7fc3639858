"""The only way to report a broken rule of the format."""

from __future__ import annotations

from imfcodec.errors import CorruptStream


def require(condition: bool, rule: str) -> None:
    """Checks a rule.

    Raises:
        CorruptStream: The condition is false; `rule` says what was found.
    """
    if not condition:
        raise CorruptStream(rule)
