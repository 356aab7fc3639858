"""A sender's tokens for a shard's frames, to train the receiver's network on.

    decoded key frame ─ R ─ x_r ─┬─ look ─ flow ─ E_T ─ refine ─ smooth ─ choose ─► t of each
    frames after or before it ───┘

The receiver does not get E_T's tokens with rounding noise: a sender refines them, and chooses
integers that compensate each other's errors and stay constant where nothing changes. That takes far
too long for every training step, so it is done once. The pictures are flipped, recoloured and moved
as in all training; otherwise the network would memorise the people.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from imfcodec.arrays import Picture
from imfcodec.codec.network.in_torch import restored, to_pictures, to_tensor
from imfcodec.codec.optical_flow import MovementTracker
from imfcodec.codec.restoration_strength import restoration_field
from imfcodec.codec.tokens import Quantiser, TokenCoder
from imfcodec.config import EFFORTS
from imfcodec.errors import OptionError
from imfcodec.sender.latent_tokens import LatentTokens
from imfcodec.sender.token_choice import TokenChooser
from imfcodec.sender.token_smoothing import smooth
from imfcodec.training.look import Look
from imfcodec.training.pairs import ClipDrawer
from imfcodec.training.prefetch import prepared
from imfcodec.training.sent_tokens import SentTokens, save_sent
from imfcodec.training.shards import Clip, Pictures, Shard
from imfcodec.weights import Weights, WeightsFile, load

SAY_EVERY = 50  # runs


@dataclass(frozen=True)
class SendConfig:
    """Configuration of `train tokens`.

    Attributes:
        runs: Number of runs of successive frames.
        frames: Frames in each run.
        reach: Largest distance of a run's first frame from its key frame, in frames.
        quantisers: Quantiser steps; one is drawn for each run.
        affine: Share of the runs that are rotated, zoomed, sheared and shifted as a whole.
        recolour: Strength of changes of brightness, tint and saturation, 0 to 1.
        seed: Seed of all choices. Run n depends on the seed and n only.
    """

    runs: int = 2000
    frames: int = 16
    reach: int = 60
    quantisers: Sequence[int] = (3, 4, 5, 6)
    affine: float = 0.5
    recolour: float = 1.0
    seed: int = 0

    def __post_init__(self) -> None:
        if self.runs < 1 or self.frames < 2 or self.reach < 1 or not self.quantisers:
            raise OptionError("a run of tokens needs at least two frames, near a key frame")


@dataclass(frozen=True)
class RefinedRun:
    """The token of a key frame and the tokens of the frames after it.

    Attributes:
        tokens: Unquantised, the key frame's first: float32 [n, d_m].
        curvature: Curvature of the tokens after the first [n - 1, d_m, d_m], see `Refined`.
    """

    tokens: npt.NDArray[np.float32]
    curvature: npt.NDArray[np.float32]

    @classmethod
    def beside(
        cls, latents: LatentTokens, tracker: MovementTracker, pictures: Sequence[Picture]
    ) -> RefinedRun:
        """Tokens of a key frame and of pictures in a row, uint8 [H, W, 3], as a sender finds them.

        The tracker has followed the frames before them.
        """
        flow = [tracker.track(picture[None])[0] for picture in pictures]
        refined = latents.beside(pictures, flow)
        tokens = np.concatenate([latents.latent, refined.tokens.numpy()])
        return cls(tokens, refined.curvature.numpy())

    def integers(self, step: npt.NDArray[np.float32], coder: TokenCoder) -> npt.NDArray[np.int32]:
        """What a sender codes of them in one packet: int32 [n, d_m]."""
        key = Quantiser(step).quantise(self.tokens[:1])
        if not len(self.curvature):
            return key
        coder.start_after(key[0])
        tokens = smooth(self.tokens[1:], self.curvature, step, None)
        return np.concatenate([key, TokenChooser(step).choose(coder, tokens, self.curvature)])


class RunSender:
    """Draws runs of a shard's frames and chooses their tokens."""

    def __init__(self, shard: Shard, weights: Weights, config: SendConfig) -> None:
        """Prepare to draw from clips that have enough frames around a decoded key frame.

        Raises:
            OptionError: No clip is long enough, or the weights have no such quantiser step.
        """
        self._shard = shard
        self._weights = weights
        self._config = config
        for level in config.quantisers:
            weights.tables.quantiser(level)
        long = [c for c in shard.clips if c.refs and c.count >= 2 * config.frames + 1]
        if not long:
            raise OptionError(
                f"no clip of the shard has a decoded key frame and {2 * config.frames + 1} frames"
            )
        self._drawer = ClipDrawer(long)

    def __getitem__(self, number: int) -> SentTokens:
        """Run ``number``: `SentTokens` without their first dimension."""
        rng = np.random.default_rng((self._config.seed, number))
        clip = self._drawer.draw(rng)
        ref = clip.refs[rng.integers(len(clip.refs))]
        on_the_way, frames = self._frames(rng, clip, ref.frame)
        level = int(rng.choice(self._config.quantisers))
        model, quantiser = self._weights.model, self._weights.tables.quantiser(level)
        look = Look.draw(rng, self._config.affine, self._config.recolour)
        decoded = np.array(self._shard.refs[ref.place])
        restoration = restoration_field(ref.crf, predicted=ref.predicted)
        key = _seen(restored(model, decoded, restoration), look)
        latents = LatentTokens(model, quantiser, key, EFFORTS["default"].refine)
        tracker = MovementTracker(key)
        for frame in on_the_way:
            tracker.track(_seen(self._shard.frames[frame], look)[None])
        pictures = [_seen(self._shard.frames[frame], look) for frame in frames]
        run = RefinedRun.beside(latents, tracker, pictures)
        received = quantiser.dequantise(
            run.integers(quantiser.step, self._weights.tables.coder(level, holds=False))
        )
        return SentTokens(
            reference=np.asarray(ref.place),
            reference_frame=np.asarray(clip.start + ref.frame),
            reference_token=received[0],
            frames=frames,
            tokens=received[1:],
            looks=np.array(look.numbers(), np.float32),
        )

    def _frames(
        self, rng: np.random.Generator, clip: Clip, key: int
    ) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
        """Indices of the frames from the key frame on to a run, or back to it, and of the run's."""
        count = self._config.frames
        room = {1: clip.count - 1 - key, -1: key}  # at least one side has enough
        way = int(rng.choice([way for way in room if room[way] >= count]))
        gap = int(rng.integers(min(self._config.reach, room[way] - count + 1)))
        frames = clip.start + key + way * np.arange(1, gap + count + 1)
        return frames[:gap], frames[gap:]


def send_tokens(
    folder: Path,
    weights: WeightsFile,
    config: SendConfig,
    *,
    workers: int = 0,
    say: Callable[[str], None] = lambda line: None,
) -> SentTokens:
    """Let a sender choose tokens for a shard's frames, and put them into the shard.

    Args:
        folder: Of the shard; best one of every frame: a sender sees them all.
        weights: The sender's.
        config: Which tokens.
        workers: Processes that do it, each on one thread; 0: this one.
        say: Called with a line now and then.

    Raises:
        InputUnreadable: The folder is no shard.
        OptionError: Its clips are too short, or the weights have no such quantiser step.
        WeightsCorrupt: The weights are corrupt.
        OutputFailed: The disk is full.
    """
    sender = RunSender(Shard(folder), load(weights), config)
    runs: list[SentTokens] = []
    for run in prepared(sender, range(config.runs), workers):
        runs.append(run)
        if len(runs) % SAY_EVERY == 0:
            say(f"{len(runs)} of {config.runs} runs")
    sent = SentTokens(**{name: np.stack([vars(run)[name] for run in runs]) for name in vars(run)})
    save_sent(folder, sent)
    return sent


def _seen(picture: Pictures, look: Look) -> Pictures:
    """A picture under a look, uint8 [S, S, 3] both."""
    return to_pictures(Look.apply([look], to_tensor(np.array(picture)[None])))[0]
