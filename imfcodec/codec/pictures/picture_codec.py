"""What the codec asks of a coder of key pictures, whichever it is."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from imfcodec.arrays import Picture


@dataclass(frozen=True)
class CodedPicture:
    """Bytes of one picture.

    Attributes:
        config: What a decoder needs to begin; empty for a predicted picture, which uses that of its
            base. The stream header holds it for all key packets that share it.
        data: The picture.
    """

    config: bytes
    data: bytes


class PictureEncoder(Protocol):
    """Codes pictures of one size; the same pictures and settings give the same bytes."""

    def encode(self, picture: Picture, crf: float) -> CodedPicture:
        """Code one independent picture.

        Args:
            picture: RGB uint8 [H, W, 3].
            crf: Quality (CRF), 1 (best) to 63, in quarters.

        Raises:
            KeyframeCodecError: The coder is missing or refuses.
        """
        ...

    def predict(
        self, earlier: Sequence[tuple[Picture, CodedPicture]], picture: Picture, crf: float
    ) -> CodedPicture | None:
        """Code one picture predicted from others.

        Args:
            earlier: The pictures to predict from: sources, RGB uint8 [H, W, 3], and coded pictures.
                The first was coded by `encode`, each further one by `predict` from those before.
            picture: RGB uint8 [H, W, 3].
            crf: Quality (CRF) of the first picture, as given to `encode`.

        Returns:
            The coded picture; None if it cannot be predicted.

        Raises:
            KeyframeCodecError: The coder is missing or refuses.
        """
        ...


class PictureDecoder(Protocol):
    """Decodes pictures of one size; the pixels are the same on every machine."""

    def decode(self, coded: CodedPicture, earlier: Sequence[CodedPicture] = ()) -> Picture:
        """Decode one picture to RGB uint8 [H, W, 3].

        Args:
            coded: The picture.
            earlier: The pictures that it is predicted from, as for `PictureEncoder.predict`; empty
                if it is independent.

        Raises:
            CorruptStream: The bytes do not give exactly one picture.
            LimitExceeded: A picture does not have the expected size.
            KeyframeCodecError: The decoder is missing.
        """
        ...


class PictureCodec(NamedTuple):
    """Makes encoders and decoders.

    Attributes:
        encoder: Takes width, height and the effort preset of SVT-AV1, 0 (slowest) to 13.
        decoder: Takes width and height.
    """

    encoder: Callable[[int, int, int], PictureEncoder]
    decoder: Callable[[int, int], PictureDecoder]
