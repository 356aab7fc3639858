"""Search for the setting whose bytes are as wanted.

A setting is a number that gives more bytes the higher it is. Excess is the logarithm of the bytes
over those that are allowed; it is nearly linear in the setting.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Final

AIM: Final = math.log(0.98)
"""The excess that the search aims at."""

LEAST_SLOPE: Final = 0.005
"""The least that one step of a setting adds to the excess, to reckon with."""

OVERREACH: Final = 1.1
"""Steps away from all that was tried are longer by this factor: what helps most is a bracket."""

MARGIN: Final = 0.1
"""The next setting stays away from the ends of the bracket by this share of its width."""

FINEST: Final = 0.25
"""A bracket of this width is not divided."""


def search(
    tried: dict[float, float],
    excess: Callable[[float], float],
    slope: float,
    wanted: tuple[float, float],
    limits: tuple[float, float],
    trials: int,
) -> None:
    """Try settings until an excess is as wanted, or no other setting is worth it.

    Args:
        tried: Excess by setting, at least one; grows.
        excess: Of a setting.
        slope: Of the excess, if one setting alone was tried.
        wanted: Lowest and highest excess that end the search.
        limits: Lowest and highest setting.
        trials: Largest number of settings to try.
    """
    for _ in range(trials):
        setting = next_setting(tried, slope, limits)
        if setting in tried or ends(tried, wanted):
            return
        tried[setting] = excess(setting)


def ends(tried: Mapping[float, float], wanted: tuple[float, float]) -> bool:
    """Whether an excess is as wanted."""
    return any(wanted[0] <= excess <= wanted[1] for excess in tried.values())


def nearest(tried: Mapping[float, float]) -> float:
    """The setting whose excess is nearest to what the search aims at."""
    return min(tried, key=lambda setting: abs(tried[setting] - AIM))


def next_setting(tried: Mapping[float, float], slope: float, limits: tuple[float, float]) -> float:
    """The setting whose excess should be what the search aims at.

    Args:
        tried: As for `search`, and so are the others.
        slope: See there.
        limits: See there.

    Returns:
        One that was tried if no other one is worth it.
    """
    low = max((s for s in tried if tried[s] <= AIM), default=-math.inf)
    high = min((s for s in tried if tried[s] > AIM and s > low), default=math.inf)
    if high - low <= FINEST:
        return low
    if math.isfinite(high - low):
        share = (AIM - tried[low]) / (tried[high] - tried[low])
        return low + (high - low) * min(max(share, MARGIN), 1 - MARGIN)
    near, *others = sorted(tried, key=lambda s: abs(tried[s] - AIM))
    if others:
        slope = max((tried[near] - tried[others[0]]) / (near - others[0]), LEAST_SLOPE)
    found = near + OVERREACH * (AIM - tried[near]) / slope
    return min(max(found, limits[0]), limits[1])
