"""Key packets to pictures and tokens; keeps what later packets depend on."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from imfcodec.arrays import Tokens
from imfcodec.bitstream import KeyPacket, PredictedKeyPacket, chain_length, low_bits
from imfcodec.codec.pictures import CodedPicture, PictureDecoder
from imfcodec.codec.tokens import TokenCoder
from imfcodec.errors import CorruptStream, LimitExceeded


@dataclass(frozen=True)
class KeyFrame:
    """One decoded key frame.

    Attributes:
        number: Number of the frame.
        picture: RGB uint8 [H, W, 3] at coded size.
        token: int32 [d_m].
        lead: Tokens of the leading frames in display order, int32 [n, d_m].
    """

    number: int
    picture: npt.NDArray[np.uint8]
    token: Tokens
    lead: Tokens


@dataclass(frozen=True)
class _Link:
    """What predicted key frames need of an earlier key frame: its bytes, not its pixels."""

    number: int
    coded: CodedPicture
    token: Tokens


class KeyFrames:
    """Decodes key frames; keeps the last one and the chain, unless they were lost.

    The chain is the base and the predicted key frames after it, each of which is coded from all
    key frames before it in the chain. A predicted key frame names its origin, the base or the
    last link of the chain, and decodes from no other. Memory does not grow with the stream.
    """

    def __init__(
        self, pictures: PictureDecoder, coder: TokenCoder, config: bytes, max_chain: int
    ) -> None:
        """Set up.

        Args:
            pictures: Decoder of pictures of the stream's coded size.
            coder: The stream's token coder; `decode` leaves it just after the key frame's token.
            config: The key codec's configuration from the stream header.
            max_chain: Largest number of key frames in a chain.
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
            CorruptStream: It does not decode, or its origin is missing. There is then no last key
                frame, and no base either if it should have become one.
            LimitExceeded: The picture does not have the stream's coded size, or the chain is too
                long.
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

    def forget(self) -> None:
        """Drop everything that later packets could depend on."""
        self._chain, self._last = [], None

    def token_of(self, key: int) -> Tokens | None:
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
        self, packet: KeyPacket | PredictedKeyPacket, origin: Tokens | None
    ) -> tuple[Tokens, Tokens]:
        """Tokens of the key frame and of its leading frames, which are coded backwards from it."""
        self._coder.reset(origin)
        tokens = self._coder.decode(packet.token, 1 + len(packet.lead))
        self._coder.start_after(tokens[0])
        return tokens[0], tokens[:0:-1]
