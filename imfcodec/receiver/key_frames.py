"""Key packets to pictures and tokens, and what of them later packets depend on."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from imfcodec.bitstream import KeyPacket, PredictedKeyPacket, low_bits
from imfcodec.entropy import TokenCoder
from imfcodec.errors import CorruptStream
from imfcodec.keyframe import Av1PictureDecoder, CodedPicture

Token = npt.NDArray[np.int32]


@dataclass(frozen=True)
class KeyFrame:
    """One decoded key frame.

    Attributes:
        number: Of the frame.
        picture: RGB uint8 [H, W, 3] at coded size.
        token: int32 [d_m].
        lead: Tokens of the leading frames in display order, int32 [n, d_m].
    """

    number: int
    picture: npt.NDArray[np.uint8]
    token: Token
    lead: Token


@dataclass(frozen=True)
class _Base:
    """What predicted key frames need of the last independent one; its bytes, not its pixels."""

    number: int
    coded: CodedPicture
    token: Token


class KeyFrames:
    """Decodes key frames; holds the last one and the base, or knows that they are lost.

    Predicted ones decode from the base that they name and from no other. Nothing is kept that
    grows with the stream: the base is one key packet.
    """

    def __init__(self, pictures: Av1PictureDecoder, coder: TokenCoder, config: bytes) -> None:
        """Set up.

        Args:
            pictures: Decoder of pictures of the stream's coded size.
            coder: The stream's token coder; after `decode` it stands behind the key frame's token.
            config: The key codec's configuration from the stream header.
        """
        self._pictures = pictures
        self._coder = coder
        self._config = config
        self._base: _Base | None = None
        self._last: KeyFrame | None = None

    def decode(self, packet: KeyPacket | PredictedKeyPacket) -> KeyFrame:
        """Decode a key frame.

        Raises:
            CorruptStream: It does not decode, or its base is not there. There is no last key
                frame then, and no base either if it was to be one.
            LimitExceeded: The picture is not of the stream's coded size.
        """
        self._last = None
        if isinstance(packet, KeyPacket):
            self._base = None
            coded = CodedPicture(packet.config or self._config, packet.picture)
            picture = self._pictures.decode(coded)
            token, lead = self._tokens(packet, None)
            self._base = _Base(packet.frame_number, coded, token)
        else:
            base = self._base
            if base is None or low_bits(base.number) != packet.base:
                raise CorruptStream("depends on lost packets")
            picture = self._pictures.decode(CodedPicture(b"", packet.picture), base.coded)
            token, lead = self._tokens(packet, base.token)
        self._last = KeyFrame(packet.frame_number, picture, token, lead)
        return self._last

    def token_of(self, key: int) -> Token | None:
        """Token of the last key frame if its number has these low 8 bits; otherwise None."""
        if self._last is None or low_bits(self._last.number) != key:
            return None
        return self._last.token

    def _tokens(
        self, packet: KeyPacket | PredictedKeyPacket, base: Token | None
    ) -> tuple[Token, Token]:
        """The key frame's own and those of the leading frames, which run backwards from it."""
        self._coder.reset(base)
        tokens = self._coder.decode(packet.token, 1 + len(packet.lead))
        self._coder.follow(tokens[0])
        return tokens[0], tokens[:0:-1]
