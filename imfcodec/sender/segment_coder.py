"""Segments to packets."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
import numpy.typing as npt

from imfcodec.arrays import Tokens
from imfcodec.bitstream import KeyPacket, PredictedKeyPacket, TokenPacket, low_bits, padded
from imfcodec.codec.stages import StageTimes
from imfcodec.codec.tokens import Quantiser, TokenCoder
from imfcodec.sender.analysis import Analysis, Analyst, Found, KeyFrame
from imfcodec.sender.key_coder import KeyPicture
from imfcodec.sender.monitor import Watcher
from imfcodec.sender.rate import SegmentSettings
from imfcodec.sender.segment import KeyKind, Segment
from imfcodec.sender.source_frame import SourceFrame
from imfcodec.sender.token_holding import TokenHolder
from imfcodec.sender.token_refinement import Refined
from imfcodec.sender.token_smoothing import smooth

PicturePacket = KeyPacket | PredictedKeyPacket | TokenPacket


@dataclass(frozen=True)
class TokenSettings:
    """How tokens are chosen and packed.

    Attributes:
        smooths: Whether they are smoothed over time, for which frames have to come together.
        longest_hold: Largest number of frames that share a token; 1 holds none.
        packet_ticks: Longest time of the frames of a packet, in ticks.
        chain_ticks: Packets of this time depend on each other, in ticks; 0: each only on a key
            frame.
    """

    smooths: bool
    longest_hold: int
    packet_ticks: Fraction
    chain_ticks: Fraction


@dataclass(frozen=True)
class _Sent:
    """A key frame that was sent: its number, and its token, int32 [d_m]."""

    number: int
    token: Tokens


class SegmentCoder:
    """Codes segments, one after the other.

        frames ─ analysis ─ smooth ─ choose ─ code ─ TokenPacket
        key ─ analysis ─ quantise ─ code ─ KeyPacket, PredictedKeyPacket

    Attributes:
        key_config: The key codec's configuration for the stream header; known after the first
            packet.
    """

    key_config: bytes

    def __init__(
        self,
        analyst: Analyst,
        quantiser: Quantiser,
        coder: TokenCoder,
        settings: TokenSettings,
        stages: StageTimes,
        *,
        watchers: Sequence[Watcher] = (),
        advance: Callable[[int], None] = lambda frames: None,
    ) -> None:
        """Take the parts that do the work.

        Args:
            analyst: Codes key pictures, and finds the tokens of frames.
            quantiser: Of the tokens.
            coder: Entropy coder of the tokens.
            settings: How tokens are chosen and packed.
            stages: Takes the time of each stage.
            watchers: They see what is made.
            advance: Called with how many more key frames are coded; the analyst counts the others.
        """
        self._analyst, self._quantiser, self._coder = analyst, quantiser, coder
        self._settings, self._stages = settings, stages
        self._watchers, self._advance = watchers, advance
        self.key_config = b""
        self._last: _Sent | None = None
        self._base: _Sent | None = None
        self._chain_pts: int | None = None  # where the chain of packets begins
        self._after_key = False  # whether the next packet is the first one after a key frame

    def code(self, segment: Segment, settings: SegmentSettings) -> Iterator[PicturePacket]:
        """Begin to code the next segment; frames need a key frame, their own or one before.

        Returns:
            The packets, which wait for what is not yet done. They are taken before those of the
            segment after it.
        """
        return self._packets(self._analyst.begin(segment, settings.key_crf))

    def _packets(self, analysis: Analysis) -> Iterator[PicturePacket]:
        yield from self._token_packets(analysis.following())
        if analysis.key:
            yield self._key(analysis.key, analysis.leading())

    def _token_packets(self, found: Found) -> Iterator[TokenPacket]:
        """Packets of frames after their key frame."""
        frames, begin = found.frames, 0
        while begin < len(frames):
            end_pts = frames[begin].pts + self._settings.packet_ticks
            end = bisect_left(frames, end_pts, begin + 1, key=lambda f: Fraction(f.pts))
            latent = Refined(*(values[begin:end] for values in found.latent))
            yield self._packet(frames[begin:end], latent)
            begin = end

    def _packet(self, frames: Sequence[SourceFrame], latent: Refined) -> TokenPacket:
        assert self._last is not None  # frames follow a key frame
        first = frames[0]
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
        self._see(tokens, frames)
        key = None if chained else low_bits(self._last.number)
        return TokenPacket(first.number, tuple(frame.pts for frame in frames), payload, key)

    def _key(self, key: KeyFrame, leading: Found) -> KeyPacket | PredictedKeyPacket:
        """Make the packet of a key frame; code its leading frames backwards from it."""
        frame, picture = key.frame, key.picture.get()
        predicted = picture.kind is KeyKind.PREDICTED
        origin = self._last if picture.chained else self._base
        tokens = key.latents.get().token
        self._last = _Sent(frame.number, tokens[0])
        self._advance(1)
        for watcher in self._watchers:
            watcher.take(key.restored.get(), tokens[0])
        self._start_after_key(self._last)
        if leading.frames:
            tokens = np.concatenate([tokens, self._choose(leading.latent)])
        with self._stages.timed("entropy"):
            self._coder.reset(origin.token if predicted and origin else None)
            payload = padded(self._coder.encode(tokens), len(tokens))
        self._start_after_key(self._last)
        self._chain_pts, self._after_key = frame.pts, True
        self._see(tokens[::-1], [*leading.frames, frame])
        lead = tuple(frame.pts for frame in leading.frames)
        return self._key_packet(frame, picture, payload, lead, origin)

    def _key_packet(
        self,
        frame: SourceFrame,
        picture: KeyPicture,
        payload: bytes,
        lead: tuple[int, ...],
        origin: _Sent | None,
    ) -> KeyPacket | PredictedKeyPacket:
        number, pts, coded = frame.number, frame.pts, picture.coded
        if picture.kind is KeyKind.PREDICTED:
            assert origin is not None  # it was coded from that
            named = low_bits(origin.number)
            return PredictedKeyPacket(
                number, pts, named, payload, coded.data, lead, picture.restoration
            )
        self._base = self._last
        self.key_config = self.key_config or coded.config
        own = None if coded.config == self.key_config else coded.config
        return KeyPacket(
            number, pts, payload, coded.data, config=own, lead=lead, restoration=picture.restoration
        )

    def _start_after_key(self, key: _Sent) -> None:
        """Set the coding state for the first frame after a key frame."""
        self._coder.start_after(key.token)
        self._holder = TokenHolder(self._quantiser.step, key.token, self._settings.longest_hold)
        self._before: npt.NDArray[np.float64] | None = None

    def _choose(self, latent: Refined) -> Tokens:
        """The integers of successive tokens: int32 [N, d_m]."""
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
