"""Tokens as integers, and integers as bytes.

quantiser: float tokens <-> integers. Everything after it is integer arithmetic on integers that
are already decoded, so a stream decodes to the same integers on every machine:
predictor -> context -> table -> range coder, joined in `ContextTokenCoder`.
"""

from typing import Final

from imfcodec.codec.tokens.entropy_model import EntropyModel, Port, TokenCoder
from imfcodec.codec.tokens.entropy_tables import EntropyTables
from imfcodec.codec.tokens.quantiser import Quantiser
from imfcodec.codec.tokens.tables import LevelTables, SymbolModel
from imfcodec.codec.tokens.token_coder import ContextTokenCoder

ENTROPY_MODELS: Final[dict[str, type[EntropyModel]]] = {EntropyTables.id: EntropyTables}
"""By the id that the weights file carries."""

__all__ = [
    "ENTROPY_MODELS",
    "ContextTokenCoder",
    "EntropyModel",
    "EntropyTables",
    "LevelTables",
    "Port",
    "Quantiser",
    "SymbolModel",
    "TokenCoder",
]
