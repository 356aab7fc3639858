"""The pictures of key frames: coded, and as the receiver will see them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

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
        coded: Its AV1 units.
        decoded: RGB uint8 [H, W, 3] as AV1 gives it back.
        restraint: Under which the receiver restores it.
    """

    kind: KeyKind
    coded: CodedPicture
    decoded: Picture
    restraint: int


class KeyCoder:
    """Codes key pictures; keeps the last independent one, the base of those to come."""

    def __init__(self, size: tuple[int, int], crf: int, preset: int) -> None:
        """Prepare for pictures of one coded size (width, height) in pixels."""
        self._encoder = Av1PictureEncoder(*size, preset)
        self._decoder = Av1PictureDecoder(*size)
        self._crf = crf
        self._base: tuple[Picture, CodedPicture] | None = None

    def code(self, picture: Picture, kind: KeyKind) -> KeyPicture:
        """Code one picture, RGB uint8 [H, W, 3].

        A picture that was to be predicted becomes independent where that gains nothing.

        Raises:
            KeyframeCodecError: AV1 is missing or refuses.
        """
        if kind is KeyKind.PREDICTED and self._base is not None:
            source, base = self._base
            coded = self._encoder.predict(source, base, picture, self._crf)
            if coded is not None and len(coded.data) <= WORTH_PREDICTING * len(base.data):
                return self._decoded(coded, base)
        coded = self._encoder.encode(picture, self._crf)
        self._base = picture, coded
        return self._decoded(coded)

    def _decoded(self, coded: CodedPicture, base: CodedPicture | None = None) -> KeyPicture:
        predicted = base is not None
        return KeyPicture(
            KeyKind.PREDICTED if predicted else KeyKind.INDEPENDENT,
            coded,
            self._decoder.decode(coded, base),
            restraint_of(self._crf, predicted=predicted),
        )
