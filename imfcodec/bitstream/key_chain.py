"""Which earlier key frames a predicted key frame is coded from."""

from __future__ import annotations

from collections.abc import Sequence


def chain_length(chain: Sequence[int], origin: int) -> int:
    """How many key frames of the chain a predicted key frame with this origin is coded from.

    Args:
        chain: Low 8 bits of the numbers of the base and of the predicted key frames after it.
        origin: Low 8 bits of the number of the origin: the base or the last of the chain.

    Returns:
        Number of key frames up to the origin; 0 if the origin is missing or ambiguous.
    """
    length = chain.index(origin) + 1 if origin in chain else 0
    return length if length in (1, len(chain)) else 0
