"""Key frames and tokens of one layer to pictures."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import Future
from functools import partial
from typing import Any, Final

import numpy as np

from imfcodec.arrays import Picture, Pictures, Tokens
from imfcodec.bitstream import Limits, PredictedKeyPacket, TokenPacket, VideoPacket
from imfcodec.codec.network import Network
from imfcodec.codec.pictures import PictureDecoder
from imfcodec.codec.tokens import TokenCoder
from imfcodec.codec.upcoming import Upcoming
from imfcodec.receiver.key_frames import KeyFrames
from imfcodec.receiver.report import DecodeReport
from imfcodec.receiver.workers import Workers

CAUGHT_UP_S: Final = 0.03
"""After a late frame, the next one that is rebuilt is so many seconds before it would be late."""


def _never(early_s: float) -> bool:
    """Say that a frame is not late, whenever it is rebuilt."""
    return False


class LayerDecoder:
    """Decodes the packets of one layer, one after the other.

        key packet ─ picture ─ R ─ reference ─┐
        tokens ───────────────────────────────┴─ network ─ pictures

    Attributes:
        key_number: Number of the last key frame; -1 before any.
    """

    def __init__(
        self,
        pictures: PictureDecoder,
        coder: TokenCoder,
        config: bytes,
        network: Network,
        workers: Workers,
        limits: Limits,
        report: DecodeReport,
    ) -> None:
        """Set up.

        Args:
            pictures: Decoder of pictures of the layer's coded size.
            coder: The layer's token coder.
            config: The key codec's configuration from the stream header.
            network: Rebuilds the frames.
            workers: Run the network.
            limits: Largest sizes to accept.
            report: Takes the number of key frames, and the time of each stage.
        """
        self._coder = coder
        self._keys = KeyFrames(pictures, coder, config, limits.max_key_chain)
        self._network, self._workers = network, workers
        self._report = report
        self._holds = False  # whether the last packet was decoded, so that one may be chained to it
        self._next_frame = -1
        self._token: Tokens | None = None  # of the last picture
        self._behind = False
        self._picture: Upcoming[Picture]
        self._reference: Upcoming[Any]  # of the last key frame
        self._rebuilding: Future[Pictures | None] | None = None  # what was begun last
        self.key_number = -1

    def lose(self) -> None:
        """Note that packets were lost."""
        self._holds = False

    def forget(self) -> None:
        """Note that something else than key frames has taken the layer's place."""
        self._keys.forget()
        self._holds = False

    def lacks(self, packet: VideoPacket) -> bool:
        """Whether a token packet depends on something that was lost. Key packets tell by `take`."""
        if not isinstance(packet, TokenPacket):
            return False
        if packet.first_frame != self._next_frame:
            self._holds = False
        if packet.key is None:
            return not self._holds
        return self._keys.token_of(packet.key) is None

    def take(
        self, packet: VideoPacket, is_late: Callable[[float], bool] = _never
    ) -> Iterator[Upcoming[Picture]]:
        """Decode the next packet.

        Args:
            packet: The packet; `lacks` was asked, and does not hold.
            is_late: Tells, when a frame is about to be rebuilt, whether it is late or will be in so
                many seconds. Then the picture before it is shown again.

        Returns:
            The pictures of its frames in display order, RGB uint8 [H, W, 3] at coded size. A batch
            of them begins to be rebuilt when the first is taken from the iterator. A picture that
            is held is the same object as before.

        Raises:
            CorruptStream: It does not decode, or depends on lost packets.
            LimitExceeded: Its picture has another size than the layer, or it is in too long a
                chain.
        """
        self._holds = False
        if isinstance(packet, TokenPacket):
            tokens = self._tokens(packet)
        else:
            tokens, is_late = self._key(packet), _never
        self._holds = True
        self._next_frame = packet.first_frame + len(tokens)
        return self._rebuilt(tokens, is_late)

    def _key(self, packet: VideoPacket) -> Tokens:
        assert not isinstance(packet, TokenPacket)
        with self._report.stages.timed("key frame"):
            key = self._keys.decode(packet)
        restored = self._workers.restoring.submit(self._restore, key.picture, packet.restoration)
        self._reference = Upcoming(partial(self._refer, restored, key.token))
        self.key_number = packet.frame_number
        self._token = None
        self._report.key_frames += 1
        self._report.predicted_key_frames += isinstance(packet, PredictedKeyPacket)
        return np.concatenate([key.lead, key.token[None]])

    def _tokens(self, packet: TokenPacket) -> Tokens:
        with self._report.stages.timed("entropy"):
            if packet.key is not None:
                self._coder.reset(self._keys.token_of(packet.key))
            return self._coder.decode(packet.payload, len(packet.pts))

    def _rebuilt(
        self, tokens: Tokens, is_late: Callable[[float], bool]
    ) -> Iterator[Upcoming[Picture]]:
        """Pictures of consecutive frames from their tokens, int32 [n, d_m]."""
        step = self._network.batch
        for begin in range(0, len(tokens), step):
            batch = tokens[begin : begin + step]
            shown = None if self._was_late else self._token
            before = batch[:1] - 1 if shown is None else shown[None]
            changed = (batch != np.concatenate([before, batch[:-1]])).any(1)
            rebuilt: Iterator[Upcoming[Picture]] = iter(())
            if changed.any():
                last = None if self._token is None else self._picture
                pictures = self._workers.rebuilding.submit(
                    self._rebuild, self._reference, batch[changed], is_late if last else _never
                )
                self._rebuilding = pictures
                rebuilt = (
                    Upcoming(partial(self._nth, pictures, n, last)) for n in range(changed.sum())
                )
            for token, new in zip(batch, changed, strict=True):
                if new:
                    self._token, self._picture = token, next(rebuilt)
                yield self._picture

    @property
    def _was_late(self) -> bool:
        """Whether the picture of the last token is known not to have been rebuilt."""
        last = self._rebuilding
        return last is not None and last.done() and not last.exception() and last.result() is None

    def _restore(self, picture: Picture, restoration: int) -> Picture:
        with self._report.stages.timed("restoration"):
            return self._network.restore(picture, restoration)

    def _refer(self, restored: Future[Picture], token: Tokens) -> Any:
        """What the network needs of a key frame."""
        picture = restored.result()  # raises what went wrong there
        with self._report.stages.timed("network"):
            return self._network.reference(picture, token)

    def _rebuild(
        self, upcoming: Upcoming[Any], tokens: Tokens, is_late: Callable[[float], bool]
    ) -> Pictures | None:
        """Pictures of tokens; None if they are late."""
        reference = upcoming.get()
        self._behind = is_late(CAUGHT_UP_S if self._behind else 0.0)
        if self._behind:
            return None
        with self._report.stages.timed("network"):
            return self._network.rebuild(reference, tokens)

    def _nth(
        self, pictures: Future[Pictures | None], number: int, last: Upcoming[Picture] | None
    ) -> Picture:
        """One of the pictures, or the last one before them if they are late."""
        rebuilt = pictures.result()
        if rebuilt is None:
            assert last is not None
            self._report.late += 1
            return last.get()
        picture: Picture = rebuilt[number]
        return picture
