"""Key packets to pictures and tokens, and what of them later packets depend on."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from imfcodec.bitstream import KeyPacket, PredictedKeyPacket, chain_length, low_bits
from imfcodec.entropy import TokenCoder
from imfcodec.errors import CorruptStream, LimitExceeded
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
class _Link:
    """What predicted key frames need of an earlier key frame; its bytes, not its pixels."""

    number: int
    coded: CodedPicture
    token: Token


class KeyFrames:
    """Decodes key frames; holds the last one and the chain, or knows that they are lost.

    The chain is the base, and behind it the predicted key frames of which each is coded from all
    before. Predicted ones decode from the origin that they name, the base or the last of the
    chain, and from no other. Nothing is kept that grows with the stream.
    """

    def __init__(
        self, pictures: Av1PictureDecoder, coder: TokenCoder, config: bytes, max_chain: int
    ) -> None:
        """Set up.

        Args:
            pictures: Decoder of pictures of the stream's coded size.
            coder: The stream's token coder; after `decode` it stands behind the key frame's token.
            config: The key codec's configuration from the stream header.
            max_chain: Most key frames in a chain.
        """
        self._pictures = pictures
        self._coder = coder
        self._config = config
        self._max_chain = max_chain
        self._chain: list[_Link] = []
        self._last: KeyFrame | None = None

    def decode(self, packet: KeyPacket | PredictedKeyPacket) -> KeyFrame:
        """Decode a key frame.

        Raises:
            CorruptStream: It does not decode, or its origin is not there. There is no last key
                frame then, and no base either if it was to be one.
            LimitExceeded: The picture is not of the stream's coded size, or the chain too long.
        """
        self._last = None
        if isinstance(packet, KeyPacket):
            self._chain = []
            coded = CodedPicture(packet.config or self._config, packet.picture)
            chain = []
        else:
            coded = CodedPicture(b"", packet.picture)
            chain = self._chain_to(packet.origin)
        picture = self._pictures.decode(coded, [link.coded for link in chain])
        token, lead = self._tokens(packet, chain[-1].token if chain else None)
        self._chain = [*chain, _Link(packet.frame_number, coded, token)]
        self._last = KeyFrame(packet.frame_number, picture, token, lead)
        return self._last

    def token_of(self, key: int) -> Token | None:
        """Token of the last key frame if its number has these low 8 bits; otherwise None."""
        if self._last is None or low_bits(self._last.number) != key:
            return None
        return self._last.token

    def _chain_to(self, origin: int) -> list[_Link]:
        """The chain up to the key frame whose number has these low 8 bits."""
        length = chain_length([low_bits(link.number) for link in self._chain], origin)
        if not length:
            raise CorruptStream("depends on lost packets")
        if length >= self._max_chain:
            raise LimitExceeded(f"a chain of more than {self._max_chain} key pictures")
        return self._chain[:length]

    def _tokens(
        self, packet: KeyPacket | PredictedKeyPacket, origin: Token | None
    ) -> tuple[Token, Token]:
        """The key frame's own and those of the leading frames, which run backwards from it."""
        self._coder.reset(origin)
        tokens = self._coder.decode(packet.token, 1 + len(packet.lead))
        self._coder.follow(tokens[0])
        return tokens[0], tokens[:0:-1]
