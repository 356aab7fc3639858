"""Key frames as pictures: coded, and decoded as the receiver will see them."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

from imfcodec.arrays import Picture
from imfcodec.bitstream import FORMAT_LIMITS, chain_length, low_bits
from imfcodec.codec.pictures import CodedPicture, PictureCodec
from imfcodec.codec.restoration_strength import restoration_field
from imfcodec.sender.segment import KeyKind
from imfcodec.sender.source_frame import SourceFrame

WORTH_PREDICTING = 0.7
"""Prediction gains nothing if the picture takes more than this share of its base's bytes."""


@dataclass(frozen=True)
class KeyPicture:
    """One key frame's picture.

    Attributes:
        kind: Whether it was coded independently or predicted.
        chained: Whether it is predicted from the predicted pictures before as well as the base.
        coded: Its bytes.
        decoded: The picture as its codec decodes it, RGB uint8 [H, W, 3].
        restoration: Code of the restoration strength, 0 (full strength) to 3 (no restoration).
    """

    kind: KeyKind
    chained: bool
    coded: CodedPicture
    decoded: Picture
    restoration: int


@dataclass(frozen=True)
class _Link:
    """A key frame that others may be predicted from: its source and its coded picture."""

    frame: SourceFrame
    coded: CodedPicture


class KeyCoder:
    """Codes key pictures; keeps the base and the chain of key frames predicted from it.

    A picture can be begun early, so that SVT-AV1 codes it on one core while others do other work.
    """

    def __init__(
        self, codec: PictureCodec, size: tuple[int, int], preset: int, *, chains: bool
    ) -> None:
        """Prepare for key frames.

        Args:
            codec: Of the pictures.
            size: Coded width and height in pixels.
            preset: SVT-AV1 preset.
            chains: Whether a predicted picture uses the whole chain before it instead of the base
                alone.
        """
        self._encoder = codec.encoder(*size, preset)
        self._decoder = codec.decoder(*size)
        self._crf = 0.0  # of the base
        self._chains = chains
        self._chain: list[_Link] = []
        self._worker = ThreadPoolExecutor(1, "imfcodec-key")
        self._begun: dict[int, Future[KeyPicture]] = {}  # by frame number

    def begin(self, frame: SourceFrame, kind: KeyKind, crf: float) -> Future[KeyPicture]:
        """Begin to code a picture that `code` will ask for; arguments as there."""
        self._begun[frame.number] = self._worker.submit(self._code, frame, kind, crf)
        return self._begun[frame.number]

    def code(self, frame: SourceFrame, kind: KeyKind, crf: float) -> KeyPicture:
        """Code one frame's picture.

        A picture of kind PREDICTED is coded independently if prediction gains nothing, or if its
        base has another CRF.

        Args:
            frame: The key frame.
            kind: What it is to be coded from.
            crf: AV1 quality (CRF); that of an independent picture, if it is predicted.

        Raises:
            KeyframeCodecError: The AV1 encoder is missing or refuses the picture.
        """
        if frame.number not in self._begun:
            self.begin(frame, kind, crf)
        return self._begun.pop(frame.number).result()

    def _code(self, frame: SourceFrame, kind: KeyKind, crf: float) -> KeyPicture:
        if kind is KeyKind.PREDICTED and self._chain and crf == self._crf:
            earlier = self._chain if self._may_grow else self._chain[:1]
            sources = [(link.frame.picture, link.coded) for link in earlier]
            coded = self._encoder.predict(sources, frame.picture, self._crf)
            base = self._chain[0].coded
            if coded is not None and len(coded.data) <= WORTH_PREDICTING * len(base.data):
                return self._decoded(earlier, frame, coded)
        self._crf = crf
        return self._decoded([], frame, self._encoder.encode(frame.picture, crf))

    @property
    def _may_grow(self) -> bool:
        """Whether the chain is short enough and the low bits of its last number are unambiguous."""
        numbers = [low_bits(link.frame.number) for link in self._chain]
        short = len(numbers) < FORMAT_LIMITS.max_key_chain
        return self._chains and short and chain_length(numbers, numbers[-1]) == len(numbers)

    def _decoded(
        self, earlier: Sequence[_Link], frame: SourceFrame, coded: CodedPicture
    ) -> KeyPicture:
        self._chain = [*earlier, _Link(frame, coded)]
        predicted = bool(earlier)
        return KeyPicture(
            KeyKind.PREDICTED if predicted else KeyKind.INDEPENDENT,
            len(earlier) > 1,
            coded,
            self._decoder.decode(coded, [link.coded for link in earlier]),
            restoration_field(self._crf, predicted=predicted),
        )
