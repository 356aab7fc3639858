"""Pictures to packets: key frames, tokens, and their grouping."""

from __future__ import annotations

import time
from bisect import bisect_left
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
import numpy.typing as npt
import torch

from imfcodec.bitstream import KeyPacket, PredictedKeyPacket, TokenPacket, low_bits, padded
from imfcodec.config import EncodeOptions
from imfcodec.entropy import TokenCoder
from imfcodec.receiver.reconstruction import Reconstructor, restored, to_tensor
from imfcodec.receiver.report import StageTimes
from imfcodec.sender.key_choice import best_key, cells_of
from imfcodec.sender.key_coder import KeyCoder, KeyPicture
from imfcodec.sender.key_schedule import KeySchedule
from imfcodec.sender.keyframe_policy import KeyframePolicy, KeyKind
from imfcodec.sender.latent_tokens import LatentTokens
from imfcodec.sender.optical_flow import MovementTracker
from imfcodec.sender.reference_choice import change_over, unexplained
from imfcodec.sender.shots import ShotDetector
from imfcodec.sender.source_frame import SourceFrame
from imfcodec.sender.token_choice import TokenChooser
from imfcodec.sender.token_refinement import Refined
from imfcodec.sender.token_smoothing import smooth
from imfcodec.weights import Weights

PACKET_S = Fraction(3)
"""Tokens of this many seconds share a packet ..."""

PENDING_BYTES = 96 << 20
"""... or fewer if pictures are large, because all frames of a packet wait in memory. With
`look_ahead`, frames wait for the next key frame or the plan, up to this many bytes ..."""

PENDING_FRAMES = 1000
"""... and up to this many frames."""

CHAIN_S = Fraction(1)
"""At low latency, the packets of this many seconds are chained: losing one loses the rest."""

BASE_S = Fraction(20)
"""Age in seconds from which a key frame no longer serves as base."""

EARLIEST = 0.5
"""Without a plan, no frame before this share of the interval becomes the next key frame."""

Picture = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class _Moved:
    """A frame to be coded, and its movement.

    Attributes:
        frame: The frame.
        flow: `optical_flow.observed` from it to its reference [3, h, w].
    """

    frame: SourceFrame
    flow: torch.Tensor


@dataclass(frozen=True)
class _SentKey:
    """A key frame that was sent: its source, and its picture and token as received.

    Attributes:
        frame: The source frame.
        picture: x_r, RGB uint8 [H, W, 3], restored.
        token: int32 [d_m].
    """

    frame: SourceFrame
    picture: Picture
    token: npt.NDArray[np.int32]


_NO_PICTURE = np.empty((0, 0, 3), np.uint8)
_NO_KEY = _SentKey(SourceFrame(0, 0, _NO_PICTURE), _NO_PICTURE, np.empty(0, np.int32))


class StreamEncoder:
    """Turns frames, one by one, into key and token packets.

        frame ─ policy ─┬─ key: AV1 ─ decode ─ R ─ E_T ─ quantise ─ code ─ KeyPacket,
                        │                                              PredictedKeyPacket
                        └─ else: collect ─ flow ─ E_T ─ refine ─ smooth ─ choose ─ code
                                                                           ─ TokenPacket

    With `look_ahead`, frames wait for the next key frame, and the last of them may be rebuilt from
    it. With `choose_keys` as well, the key frames of several intervals are planned together.

    Attributes:
        key_config: The key codec's configuration for the stream header; known after the first
            packet.
        key_frames: Key frames so far.
        predicted_key_frames: How many of them are predicted.
    """

    def __init__(
        self,
        weights: Weights,
        options: EncodeOptions,
        size: tuple[int, int],
        time_base: Fraction,
        stages: StageTimes,
        advance: Callable[[int], None] = lambda frames: None,
        plan: Callable[[float], None] = lambda frames: None,
    ) -> None:
        """Prepare for frames of one coded size (width, height) in pixels.

        ``advance`` is called with how many more frames are coded, ``plan`` with for how many more
        of them the key frames are planned; planning is slow, and its steps are parts of frames.
        """
        self._advance = advance
        self._plan = plan
        self.key_config = b""
        self.key_frames = 0
        self.predicted_key_frames = 0
        self._options = options
        self._model = weights.model
        self._quantiser = weights.tables.quantiser(options.quantiser)
        self._coder = TokenCoder(weights.tables.level(options.quantiser))
        interval = options.keyframe_interval_s
        self._low_latency = options.latency == "low"
        self._looks_ahead = options.look_ahead and interval is not None and not self._low_latency
        ticks = float(interval / time_base) if interval else None
        self._schedule = (
            KeySchedule(ticks, options.predict_keys)
            if ticks and self._looks_ahead and options.choose_keys
            else None
        )
        self._policy = KeyframePolicy(
            ticks - 0.5 if ticks and not self._schedule else None,
            options.scene_cut,
            float(BASE_S / time_base) - 0.5 if options.predict_keys else 0.0,
            time_base=time_base,
            planned_ticks=ticks if self._schedule else None,
        )
        self._shots = ShotDetector(time_base, hasty=self._low_latency)
        chains = options.chain_keys and not self._low_latency
        self._keys = KeyCoder(size, options.key_crf, options.preset, chains=chains)
        self._packet_ticks = PACKET_S / time_base
        self._chain_ticks = CHAIN_S / time_base
        self._stages = stages
        self._pending: list[SourceFrame] = []
        self._chain_pts: int | None = None
        self._last_key = self._base = _NO_KEY
        self._tracker = MovementTracker(_NO_PICTURE)
        self._latents: LatentTokens | None = None
        self._chooser = TokenChooser(self._quantiser.step)
        self._before: npt.NDArray[np.float64] | None = None
        self._monitor = Reconstructor(weights.model, self._quantiser) if options.measure else None
        self._psnr: list[float] = []

    @property
    def psnr_db(self) -> float | None:
        """Mean PSNR-RGB of the rebuilt frames at coded size; None if not measured."""
        return float(np.mean(self._psnr)) if self._psnr else None

    @property
    def _opening(self) -> bool:
        """Whether a planned scene still waits for its first key frame."""
        return self._last_key is _NO_KEY

    def push(self, frame: SourceFrame) -> Iterator[KeyPacket | PredictedKeyPacket | TokenPacket]:
        """Take the next frame; yield the packets that it completes."""
        if not self._options.scene_cut:
            yield from self._take(frame, False)
            return
        with self._timed("policy"):
            decided = list(self._shots.push(frame))
        for known, cut in decided:
            yield from self._take(known, cut)

    def _take(
        self, frame: SourceFrame, cut: bool
    ) -> Iterator[KeyPacket | PredictedKeyPacket | TokenPacket]:
        """Take a frame of which is known whether it begins a shot."""
        with self._timed("policy"):
            kind = self._policy.decide(frame.pts, frame.picture, cut=cut)
        if kind and self._policy.due and (self._options.choose_keys or self._looks_ahead):
            yield from self._renew(frame, kind)
            return
        if kind and self._pending and not cut and not self._low_latency:  # the picture drifts
            if self._schedule and self._opening:
                yield from self._follow_plan(self._schedule)
            self._pending.append(frame)
            yield from self._up_to_key(len(self._pending) - 1, self._policy.kind(frame.pts))
            return
        if kind:
            yield from self._flush_pending()
            if self._schedule:
                self._schedule.begin(frame.pts)
                self._policy.take(frame.pts, kind)  # provisional, until the plan chooses
                self._last_key, self._pending = _NO_KEY, [frame]
            else:
                yield self._key(frame, *self._code_key(frame, kind))
            return
        if self._pending and (self._low_latency or self._is_full(frame)):
            if self._schedule:
                yield from self._follow_plan(self._schedule)
            else:
                yield from self._flush_tokens()
        self._pending.append(frame)
        if self._low_latency:
            yield from self._flush_tokens()

    def _is_full(self, frame: SourceFrame) -> bool:
        """Whether the pending frames must be coded before one more frame is taken."""
        waiting = frame.pts - self._pending[0].pts
        if self._schedule:
            long = waiting >= self._schedule.ticks
        else:
            long = waiting >= self._packet_ticks and not self._looks_ahead
        count = len(self._pending)
        large = count * frame.picture.nbytes >= PENDING_BYTES or count >= PENDING_FRAMES
        return large or long

    def _renew(
        self, frame: SourceFrame, kind: KeyKind
    ) -> Iterator[KeyPacket | PredictedKeyPacket | TokenPacket]:
        """Make a key frame of this frame or of a pending one, whichever serves best."""
        self._pending.append(frame)
        chosen = len(self._pending) - 1
        if self._options.choose_keys:
            with self._timed("policy"):
                chosen = self._choose_key(self._pending)
        yield from self._up_to_key(chosen, kind)

    def _follow_plan(
        self, schedule: KeySchedule
    ) -> Iterator[KeyPacket | PredictedKeyPacket | TokenPacket]:
        """Code the pending frames up to the last planned key frame; all if none is planned."""
        known = [] if self._opening else [self._base.frame]
        if known and self._last_key is not self._base:
            known.append(self._last_key.frame)
        frames = self._pending
        with self._timed("policy"):
            chosen = schedule.choose(frames, known, lambda share: self._plan(share * len(frames)))
        begin = 0
        for number in chosen:
            pts = frames[number].pts
            kind = KeyKind.INDEPENDENT if self._opening else self._policy.kind(pts)
            yield from self._up_to_key(number - begin, kind)
            begin = number + 1
        if not chosen:
            yield from self._flush_tokens()

    def _up_to_key(
        self, chosen: int, kind: KeyKind
    ) -> Iterator[KeyPacket | PredictedKeyPacket | TokenPacket]:
        """Make a key frame of a pending frame; code all frames before it."""
        frames = self._pending
        coded, reference = self._code_key(frames[chosen], kind)
        following, leading = self._divide(frames[:chosen], reference)
        yield from self._follow(following)
        yield self._key(frames[chosen], coded, reference, leading)
        self._pending = frames[chosen + 1 :]

    def _choose_key(self, frames: list[SourceFrame]) -> int:
        last = self._last_key.frame
        cells = np.stack([cells_of(f.picture) for f in frames])
        earliest = last.pts + EARLIEST * (frames[-1].pts - last.pts)
        first = min(bisect_left(frames, earliest, key=lambda f: f.pts), len(frames) - 1)
        return best_key(cells_of(last.picture), cells, first)

    def _divide(
        self, frames: Sequence[SourceFrame], key: Picture
    ) -> tuple[list[_Moved], list[_Moved]]:
        """Split frames between the last key frame and the next one, x_r [H, W, 3]."""
        if self._opening:
            return [], self._moved_back(frames, key)
        there = self._moved(self._tracker, frames)
        if not (self._looks_ahead and frames):
            return there, []
        back = self._moved_back(frames, key)
        with self._timed("reference choice"):
            count = change_over(_errors(there, self._last_key.picture), _errors(back, key))
        return there[:count], back[count:]

    def _moved(self, tracker: MovementTracker, frames: Sequence[SourceFrame]) -> list[_Moved]:
        with self._timed("optical flow"):
            return [_Moved(f, tracker.follow(f.picture[None])[0]) for f in frames]

    def _moved_back(self, frames: Sequence[SourceFrame], key: Picture) -> list[_Moved]:
        """Frames before a key frame, x_r [H, W, 3], tracked backwards from it."""
        return self._moved(MovementTracker(key), frames[::-1])[::-1]

    def flush(self) -> Iterator[KeyPacket | PredictedKeyPacket | TokenPacket]:
        """Yield the packets of all frames that are left."""
        for known, cut in self._shots.flush():
            yield from self._take(known, cut)
        yield from self._flush_pending()

    def _flush_pending(self) -> Iterator[KeyPacket | PredictedKeyPacket | TokenPacket]:
        if self._schedule and self._pending:
            yield from self._follow_plan(self._schedule)
        yield from self._flush_tokens()

    def _flush_tokens(self) -> Iterator[TokenPacket]:
        frames, self._pending = self._pending, []
        yield from self._follow(self._moved(self._tracker, frames))

    def _follow(self, frames: list[_Moved]) -> Iterator[TokenPacket]:
        """Packets of the frames after their key frame."""
        while frames:
            end = frames[0].frame.pts + self._packet_ticks
            count = max(1, bisect_left(frames, end, key=lambda f: Fraction(f.frame.pts)))
            yield self._packet(frames[:count])
            frames = frames[count:]

    def _packet(self, frames: list[_Moved]) -> TokenPacket:
        first = frames[0].frame
        latent = self._latent(frames)
        chained = self._chain_pts is not None and (
            (self._low_latency and first.pts - self._chain_pts < self._chain_ticks)
            or not self._low_latency
        )
        if not chained:
            self._coder.reset(self._last_key.token)
            self._chain_pts = first.pts
        if not self._low_latency:
            self._chain_pts = None
        tokens = self._choose(latent)
        with self._timed("entropy"):
            payload = padded(self._coder.encode(tokens), len(tokens))
        self._measure(tokens, [f.frame for f in frames])
        key = None if chained else low_bits(self._last_key.frame.number)
        return TokenPacket(first.number, tuple(f.frame.pts for f in frames), payload, key)

    def _start_after_key(self) -> None:
        """Set the coding state for the first frame after the last key frame."""
        self._coder.follow(self._last_key.token)
        self._chooser = TokenChooser(self._quantiser.step)
        self._before = None
        if self._latents:
            self._latents.restart()

    def _code_key(self, frame: SourceFrame, kind: KeyKind) -> tuple[KeyPicture, Picture]:
        """Code a key frame; return it and the reference that it becomes, x_r [H, W, 3]."""
        with self._timed("key frame"):
            key = self._keys.code(frame, kind)
        with self._timed("restoration"):
            return key, restored(self._model, key.decoded, key.restraint)

    def _key(
        self,
        frame: SourceFrame,
        picture: KeyPicture,
        reference: Picture,
        leading: Sequence[_Moved] = (),
    ) -> KeyPacket | PredictedKeyPacket:
        """Make the packet of a key frame; code its leading frames backwards from it."""
        coded = picture.coded
        predicted = picture.kind is KeyKind.PREDICTED
        steps = self._options.refine_steps
        self._advance(1)
        self._latents = LatentTokens(
            self._model, self._quantiser, reference, steps, self._timed, self._advance
        )
        token = self._latents.token
        origin = self._last_key if picture.chained else self._base
        self._last_key = _SentKey(frame, reference, token[0])
        self._tracker = MovementTracker(reference)
        self._policy.take(frame.pts, picture.kind)
        # The first packet after a key frame is useless without it, so it may depend on it.
        self._chain_pts = frame.pts
        if self._monitor:
            self._monitor.clear()
            self._monitor.set_reference(0, reference, token[0])
        tokens = token
        if leading:
            self._start_after_key()
            lead = self._choose(self._latent(leading[::-1]))
            tokens = np.concatenate([token, lead])
        with self._timed("entropy"):
            self._coder.reset(origin.token if predicted else None)
            payload = padded(self._coder.encode(tokens), len(tokens))
        self._start_after_key()
        self._measure(tokens[::-1], [*(f.frame for f in leading), frame])
        stamps = tuple(f.frame.pts for f in leading)
        self.key_frames += 1
        if predicted:
            self.predicted_key_frames += 1
            return PredictedKeyPacket(
                frame.number,
                frame.pts,
                low_bits(origin.frame.number),
                payload,
                coded.data,
                stamps,
                picture.restraint,
            )
        self._base = self._last_key
        if not self.key_config:
            self.key_config = coded.config
        own = None if coded.config == self.key_config else coded.config
        return KeyPacket(
            frame.number,
            frame.pts,
            payload,
            coded.data,
            config=own,
            lead=stamps,
            restraint=picture.restraint,
        )

    def _latent(self, frames: Sequence[_Moved]) -> Refined:
        """Tokens of successive frames that use the last key frame, and their curvature."""
        assert self._latents is not None  # the first frame is a key frame
        return self._latents.beside([f.frame.picture for f in frames], [f.flow for f in frames])

    def _choose(self, latent: Refined) -> npt.NDArray[np.int32]:
        """The integers of the pending frames' tokens: int32 [N, d_m]."""
        tokens, curvature = latent.tokens.numpy(), latent.curvature.numpy()
        with self._timed("token choice"):
            if not self._low_latency:  # without future frames, smoothing would only delay changes
                tokens = smooth(tokens, curvature, self._quantiser.step, self._before)
                self._before = tokens[-1]
            return self._chooser.choose(self._coder, tokens, curvature)

    def _measure(self, tokens: npt.NDArray[np.int32], sources: Sequence[SourceFrame]) -> None:
        if self._monitor is None:
            return
        with self._timed("measure"):
            pictures = np.stack([f.picture for f in sources])
            error = self._monitor.rebuild(tokens).astype(np.float32) - pictures
            mse = np.square(error).mean((1, 2, 3)).clip(1e-3)
            self._psnr += [float(v) for v in 10 * np.log10(255**2 / mse)]

    @contextmanager
    def _timed(self, stage: str) -> Iterator[None]:
        begin = time.perf_counter()
        try:
            yield
        finally:
            self._stages.add(stage, time.perf_counter() - begin)


def _errors(frames: Sequence[_Moved], reference: Picture) -> npt.NDArray[np.float64]:
    """`unexplained` of each frame, one at a time: float64 [N]."""
    origin = to_tensor(reference[None])
    return np.concatenate(
        [unexplained(to_tensor(f.frame.picture[None]), origin, f.flow[None]) for f in frames]
    )
