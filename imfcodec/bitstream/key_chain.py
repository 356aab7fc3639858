"""Which earlier key frames a predicted one is coded from."""

from __future__ import annotations

from collections.abc import Sequence


def chain_length(chain: Sequence[int], origin: int) -> int:
    """How much of the chain a predicted key frame that names this origin is coded from.

    Args:
        chain: Low 8 bits of the numbers of the base and of the predicted key frames behind it.
        origin: Low 8 bits of the number of the origin: of the base or of the last of the chain.

    Returns:
        Key frames of the chain up to the origin; 0 if it is not there, or cannot be told from
        an earlier one.
    """
    length = chain.index(origin) + 1 if origin in chain else 0
    return length if length in (1, len(chain)) else 0
