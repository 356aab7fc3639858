"""The pictures of key frames: coded, and as the receiver will see them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from imfcodec.bitstream import FORMAT_LIMITS
from imfcodec.keyframe import Av1PictureDecoder, Av1PictureEncoder, CodedPicture
from imfcodec.sender.keyframe_policy import KeyKind
from imfcodec.sender.restraint import restraint_of

WORTH_PREDICTING = 0.7
"""A predicted picture above this share of its base's bytes gains nothing by being one."""

Picture = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class KeyPicture:
    """One key frame's picture.

    Attributes:
        kind: What it is coded from in the end.
        chained: Whether that is not the base alone but also the predicted picture before.
        coded: Its AV1 units.
        decoded: RGB uint8 [H, W, 3] as AV1 gives it back.
        restraint: Under which the receiver restores it.
    """

    kind: KeyKind
    chained: bool
    coded: CodedPicture
    decoded: Picture
    restraint: int


class KeyCoder:
    """Codes key pictures; keeps the base and the predicted ones of which each needs all before."""

    def __init__(self, size: tuple[int, int], crf: int, preset: int) -> None:
        """Prepare for pictures of one coded size (width, height) in pixels."""
        self._encoder = Av1PictureEncoder(*size, preset)
        self._decoder = Av1PictureDecoder(*size)
        self._crf = crf
        self._chain: list[tuple[Picture, CodedPicture]] = []

    def code(self, picture: Picture, kind: KeyKind, *, chained: bool = False) -> KeyPicture:
        """Code one picture.

        A picture that was to be predicted becomes independent where that gains nothing. One that
        was to be chained is predicted from the base alone once the chain is as long as it may be.

        Args:
            picture: RGB uint8 [H, W, 3].
            kind: What it is to be coded from.
            chained: Whether a predicted one is coded from the last picture and all that that one
                needs, instead of from the base alone.

        Raises:
            KeyframeCodecError: AV1 is missing or refuses.
        """
        if kind is KeyKind.PREDICTED and self._chain:
            whole = chained and len(self._chain) < FORMAT_LIMITS.max_key_chain
            earlier = self._chain if whole else self._chain[:1]
            coded = self._encoder.predict(earlier, picture, self._crf)
            base = self._chain[0][1]
            if coded is not None and len(coded.data) <= WORTH_PREDICTING * len(base.data):
                return self._decoded(earlier, picture, coded)
        return self._decoded([], picture, self._encoder.encode(picture, self._crf))

    def _decoded(
        self, earlier: list[tuple[Picture, CodedPicture]], picture: Picture, coded: CodedPicture
    ) -> KeyPicture:
        self._chain = [*earlier, (picture, coded)]
        predicted = bool(earlier)
        return KeyPicture(
            KeyKind.PREDICTED if predicted else KeyKind.INDEPENDENT,
            len(earlier) > 1,
            coded,
            self._decoder.decode(coded, [c for _, c in earlier]),
            restraint_of(self._crf, predicted=predicted),
        )
