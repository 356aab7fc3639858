"""Whether a token is that of the frame before: one adaptive binary symbol."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from imfcodec.codec.tokens.tables import PRECISION, exact_model

LIMIT: Final = 30
"""Above this sum, both counts of a context are halved, so that old symbols are forgotten."""


@dataclass(frozen=True)
class HeldSymbol:
    """The symbol's probability, learned from the symbols before it.

    There are two contexts: the token before was new, or was held as well. Each counts its new and
    its held tokens from 1 on, in steps of 2. The counts are in proportion to the probabilities:
    the estimate of Krichevsky and Trofimov (1981). All arithmetic is on integers.

    Attributes:
        counts: New and held tokens, after a new one and after a held one.
        before: Whether the token before was held.
    """

    counts: tuple[tuple[int, int], tuple[int, int]] = ((1, 1), (1, 1))
    before: bool = False

    def model(self) -> Any:
        """Range-coder model of the next symbol: 0 is a new token, 1 a held one."""
        new, held = self.counts[self.before]
        share = (held << PRECISION) // (new + held)
        return exact_model([(1 << PRECISION) - share, share])

    def then(self, held: bool) -> HeldSymbol:
        """The state after the symbol that came."""
        new, old = self.counts[self.before]
        new, old = new + 2 * (not held), old + 2 * held
        if new + old > LIMIT:
            new, old = (new + 1) // 2, (old + 1) // 2
        after_new, after_held = self.counts
        counts = (after_new, (new, old)) if self.before else ((new, old), after_held)
        return HeldSymbol(counts, held)
