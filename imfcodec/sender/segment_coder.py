"""Segments to packets."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
import numpy.typing as npt
import torch

from imfcodec.arrays import Picture, Tokens
from imfcodec.bitstream import KeyPacket, PredictedKeyPacket, TokenPacket, low_bits, padded
from imfcodec.codec.network import Network
from imfcodec.codec.network.in_torch import to_tensor
from imfcodec.codec.optical_flow import MovementTracker
from imfcodec.codec.stages import StageTimes
from imfcodec.codec.tokens import Quantiser, TokenCoder
from imfcodec.model.imf import IMF
from imfcodec.model.layers import reduce_short_side
from imfcodec.sender.face_emphasis import FaceEmphasis
from imfcodec.sender.key_coder import KeyCoder, KeyPicture
from imfcodec.sender.latent_tokens import LatentTokens
from imfcodec.sender.monitor import Watcher
from imfcodec.sender.rate import SegmentSettings
from imfcodec.sender.reference_choice import MULTIPLE, SIDE, divided, unexplained
from imfcodec.sender.segment import KeyKind, Lead, Segment
from imfcodec.sender.source_frame import SourceFrame
from imfcodec.sender.token_holding import TokenHolder
from imfcodec.sender.token_refinement import Refined
from imfcodec.sender.token_smoothing import smooth

PicturePacket = KeyPacket | PredictedKeyPacket | TokenPacket


@dataclass(frozen=True)
class TokenSettings:
    """How tokens are found and packed.

    Attributes:
        refine_steps: Least-squares steps.
        smooths: Whether they are smoothed over time, for which frames have to come together.
        longest_hold: Largest number of frames that share a token; 1 holds none.
        packet_ticks: Longest time of the frames of a packet, in ticks.
        chain_ticks: Packets of this time depend on each other, in ticks; 0: each only on a key
            frame.
    """

    refine_steps: int
    smooths: bool
    longest_hold: int
    packet_ticks: Fraction
    chain_ticks: Fraction


@dataclass(frozen=True)
class _Moved:
    """A frame, and how it has moved: `optical_flow.observed` to its reference [3, h, w]."""

    frame: SourceFrame
    flow: torch.Tensor


@dataclass(frozen=True)
class _SentKey:
    """A key frame that was sent.

    Attributes:
        frame: The source frame.
        picture: The decoded picture that frames are compared with, RGB uint8 [H, W, 3]; restored if
            tokens are refined.
        token: int32 [d_m].
    """

    frame: SourceFrame
    picture: Picture
    token: Tokens


class SegmentCoder:
    """Codes segments, one after the other.

        frames ─ flow ─ E_T ─ refine ─ smooth ─ choose ─ code ─ TokenPacket
        key ─ picture coder ─ decode ─ R ─ E_T ─ quantise ─ code ─ KeyPacket, PredictedKeyPacket

    If tokens are not refined, E_T compares frames with the decoded key picture, and R is left out:
    the receiver's pictures are as good, and the sender is done with a key frame sooner.

    Attributes:
        key_config: The key codec's configuration for the stream header; known after the first
            packet.
    """

    key_config: bytes

    def __init__(
        self,
        model: IMF,
        quantiser: Quantiser,
        coder: TokenCoder,
        keys: KeyCoder,
        network: Network,
        settings: TokenSettings,
        stages: StageTimes,
        *,
        emphasis: FaceEmphasis | None = None,
        watchers: Sequence[Watcher] = (),
        advance: Callable[[int], None] = lambda frames: None,
    ) -> None:
        """Take the parts that do the work.

        Args:
            model: The network.
            quantiser: Of the tokens.
            coder: Entropy coder of the tokens.
            keys: Coder of the key pictures.
            network: Restores key pictures as the receiver will.
            settings: How tokens are found and packed.
            stages: Takes the time of each stage.
            emphasis: Where errors count more; None weighs all alike.
            watchers: They see what is made.
            advance: Called with how many more frames are coded.
        """
        self._model, self._quantiser, self._coder = model, quantiser, coder
        self._keys, self._network = keys, network
        self._settings, self._stages = settings, stages
        self._emphasis, self._watchers, self._advance = emphasis, watchers, advance
        self.key_config = b""
        self._last: _SentKey | None = None
        self._base: _SentKey | None = None
        self._chain_pts: int | None = None  # where the chain of packets begins
        self._after_key = False  # whether the next packet is the first one after a key frame

    def code(self, segment: Segment, settings: SegmentSettings) -> Iterator[PicturePacket]:
        """Yield the packets of a segment; frames need a key frame, their own or one before."""
        if segment.key is None:
            yield from self._token_packets(self._moved(self._tracker, segment.frames))
            return
        with self._stages.timed("key frame"):
            picture = self._keys.code(segment.key, segment.kind, settings.key_crf)
        reference = self._restored(picture) if self._settings.refine_steps else picture.decoded
        following, leading = self._divide(segment, reference)
        yield from self._token_packets(following)
        yield self._key(segment.key, picture, reference, leading)

    def _restored(self, picture: KeyPicture) -> Picture:
        """x_r as the receiver has it, RGB uint8 [H, W, 3]."""
        with self._stages.timed("restoration"):
            return self._network.restore(picture.decoded, picture.restoration)

    def _divide(self, segment: Segment, key: Picture) -> tuple[list[_Moved], list[_Moved]]:
        """Frames for the last key frame, and frames for the segment's own reference [H, W, 3]."""
        frames = segment.frames
        if segment.lead is Lead.ALL:
            return [], self._moved_back(frames, key)
        if not frames:
            return [], []
        if segment.lead is Lead.NOTHING:
            return self._moved(self._tracker, frames), []
        assert self._last is not None  # frames follow a key frame
        there = self._compared(self._tracker, self._last.picture, frames)
        back = self._compared(MovementTracker(key), key, frames[::-1])
        return divided(len(frames), there, back)

    def _moved(self, tracker: MovementTracker, frames: Sequence[SourceFrame]) -> list[_Moved]:
        with self._stages.timed("optical flow"):
            return [_Moved(f, tracker.track(f.picture[None])[0]) for f in frames]

    def _compared(
        self, tracker: MovementTracker, key: Picture, frames: Sequence[SourceFrame]
    ) -> Iterator[tuple[_Moved, float]]:
        """Frames one after the other, and their errors as the reference [H, W, 3] moves."""
        reference = reduce_short_side(to_tensor(key[None]), SIDE, MULTIPLE)
        for frame in frames:
            (moved,) = self._moved(tracker, [frame])
            with self._stages.timed("reference choice"):
                error = unexplained(to_tensor(frame.picture[None]), reference, moved.flow[None])[0]
            yield moved, error

    def _moved_back(self, frames: Sequence[SourceFrame], key: Picture) -> list[_Moved]:
        """Frames before a reference [H, W, 3], tracked backwards from it."""
        return self._moved(MovementTracker(key), frames[::-1])[::-1]

    def _token_packets(self, frames: list[_Moved]) -> Iterator[TokenPacket]:
        """Packets of the frames after their key frame."""
        while frames:
            end = frames[0].frame.pts + self._settings.packet_ticks
            count = max(1, bisect_left(frames, end, key=lambda f: Fraction(f.frame.pts)))
            yield self._packet(frames[:count])
            frames = frames[count:]

    def _packet(self, frames: list[_Moved]) -> TokenPacket:
        assert self._last is not None  # frames follow a key frame
        first = frames[0].frame
        latent = self._latent(frames)
        # The first packet after a key frame is useless without it, so it may depend on it.
        chained = self._after_key or (
            self._chain_pts is not None and first.pts - self._chain_pts < self._settings.chain_ticks
        )
        if not chained:
            self._coder.reset(self._last.token)
            self._chain_pts = first.pts
        self._after_key = False
        tokens = self._choose(latent)
        with self._stages.timed("entropy"):
            payload = padded(self._coder.encode(tokens), len(tokens))
        self._see(tokens, [f.frame for f in frames])
        key = None if chained else low_bits(self._last.frame.number)
        return TokenPacket(first.number, tuple(f.frame.pts for f in frames), payload, key)

    def _key(
        self, frame: SourceFrame, picture: KeyPicture, reference: Picture, leading: list[_Moved]
    ) -> KeyPacket | PredictedKeyPacket:
        """Make the packet of a key frame; code its leading frames backwards from it."""
        origin = self._last if picture.chained else self._base
        tokens = self._begin(frame, picture, reference)
        if leading:
            lead = self._choose(self._latent(leading[::-1]))
            tokens = np.concatenate([tokens, lead])
        predicted = picture.kind is KeyKind.PREDICTED
        with self._stages.timed("entropy"):
            self._coder.reset(origin.token if predicted and origin else None)
            payload = padded(self._coder.encode(tokens), len(tokens))
        self._start_after_key()
        self._chain_pts, self._after_key = frame.pts, True
        self._see(tokens[::-1], [*(f.frame for f in leading), frame])
        return self._key_packet(
            frame, picture, payload, tuple(f.frame.pts for f in leading), origin
        )

    def _begin(self, frame: SourceFrame, picture: KeyPicture, reference: Picture) -> Tokens:
        """Take a new key frame and its reference [H, W, 3]; returns its token, int32 [1, d_m]."""
        self._advance(1)
        self._latents = LatentTokens(
            self._model,
            self._quantiser,
            reference,
            self._settings.refine_steps,
            self._stages.timed,
            self._advance,
            self._emphasis,
        )
        token = self._latents.token
        self._last = _SentKey(frame, reference, token[0])
        self._tracker = MovementTracker(reference)
        if self._watchers:
            received = reference if self._settings.refine_steps else self._restored(picture)
            for watcher in self._watchers:
                watcher.take(received, token[0])
        self._start_after_key()
        return token

    def _key_packet(
        self,
        frame: SourceFrame,
        picture: KeyPicture,
        payload: bytes,
        lead: tuple[int, ...],
        origin: _SentKey | None,
    ) -> KeyPacket | PredictedKeyPacket:
        number, pts, coded = frame.number, frame.pts, picture.coded
        if picture.kind is KeyKind.PREDICTED:
            assert origin is not None  # it was coded from that
            named = low_bits(origin.frame.number)
            return PredictedKeyPacket(
                number, pts, named, payload, coded.data, lead, picture.restoration
            )
        self._base = self._last
        self.key_config = self.key_config or coded.config
        own = None if coded.config == self.key_config else coded.config
        return KeyPacket(
            number, pts, payload, coded.data, config=own, lead=lead, restoration=picture.restoration
        )

    def _start_after_key(self) -> None:
        """Set the coding state for the first frame after the last key frame."""
        assert self._last is not None
        self._coder.start_after(self._last.token)
        self._holder = TokenHolder(
            self._quantiser.step, self._last.token, self._settings.longest_hold
        )
        self._before: npt.NDArray[np.float64] | None = None
        self._latents.restart()

    def _latent(self, frames: Sequence[_Moved]) -> Refined:
        """Tokens of successive frames that use the last key frame, and their curvature."""
        return self._latents.beside([f.frame.picture for f in frames], [f.flow for f in frames])

    def _choose(self, latent: Refined) -> Tokens:
        """The integers of the frames' tokens: int32 [N, d_m]."""
        tokens, curvature = latent.tokens.numpy(), latent.curvature.numpy()
        with self._stages.timed("token choice"):
            if self._settings.smooths:
                tokens = smooth(tokens, curvature, self._quantiser.step, self._before)
                self._before = tokens[-1]
            return self._holder.choose(self._coder, tokens, curvature)

    def _see(self, tokens: Tokens, sources: Sequence[SourceFrame]) -> None:
        for watcher in self._watchers:
            with self._stages.timed("measure"):
                watcher.see(tokens, [frame.picture for frame in sources])
