"""Tokens as integers, and integers as bytes.

quantiser: float tokens <-> integers. Everything after it is integer arithmetic on integers that
are already decoded, so a stream decodes to the same integers on every machine:
predictor -> context -> table -> range coder, joined in `TokenCoder`.
"""

from imfcodec.codec.tokens.quantiser import Quantiser
from imfcodec.codec.tokens.tables import EntropyTables, LevelTables, SymbolModel
from imfcodec.codec.tokens.token_coder import TokenCoder

__all__ = ["EntropyTables", "LevelTables", "Quantiser", "SymbolModel", "TokenCoder"]
