"""What is found out about a segment before its tokens are chosen.

    key ─ picture coder ─ decode ─ R ─ reference ─┐
    frames ─ flow to both references ─ divide ────┴─ E_T ─ refine ─► t*, H of every frame

Segments share nothing but references, so that several are analysed side by side, each by one
thread. What is found does not depend on how many threads there are.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

import torch
from torch import Tensor

from imfcodec.arrays import Picture
from imfcodec.codec.network import Network
from imfcodec.codec.network.in_torch import to_tensor
from imfcodec.codec.optical_flow import MovementTracker
from imfcodec.codec.stages import Timed
from imfcodec.codec.upcoming import Upcoming, begun
from imfcodec.model.layers import reduce_short_side
from imfcodec.sender.key_coder import KeyCoder, KeyPicture
from imfcodec.sender.latent_tokens import LatentTokens
from imfcodec.sender.reference_choice import MULTIPLE, SIDE, divided, unexplained
from imfcodec.sender.segment import Lead, Segment
from imfcodec.sender.source_frame import SourceFrame
from imfcodec.sender.token_refinement import Refined, unexamined


class Found(NamedTuple):
    """Frames that use one key frame.

    Attributes:
        frames: They, in display order.
        latent: Their tokens, in the order of coding.
    """

    frames: list[SourceFrame]
    latent: Refined


class KeyFrame:
    """A key frame, and what its frames are analysed with.

    Attributes:
        frame: The source frame.
        picture: As it is coded.
        restored: As the receiver has it, RGB uint8 [H, W, 3].
        reference: What frames are compared with: the same, or the decoded picture if tokens are not
            refined.
        tracker: Follows the frames after it.
        latents: Finds tokens relative to it.
    """

    def __init__(
        self,
        frame: SourceFrame,
        picture: Callable[[], KeyPicture],
        restore: Callable[[KeyPicture], Picture],
        latents: Callable[[Picture], LatentTokens],
        *,
        refines: bool,
    ) -> None:
        """Take what makes its parts."""
        self.frame = frame
        self.picture = coded = Upcoming(picture)
        self.restored = Upcoming(lambda: restore(coded.get()))
        self.reference = reference = (
            self.restored if refines else Upcoming(lambda: coded.get().decoded)
        )
        self.tracker = Upcoming(lambda: MovementTracker(reference.get()))
        self.latents = Upcoming(lambda: latents(reference.get()))
        # What was begun last: frames are followed, and their tokens found, one after the other.
        self.followed: Upcoming[_Divided] = Upcoming(lambda: _Divided([], []))
        self.found: Upcoming[Found] | None = None


@dataclass(frozen=True)
class _Moved:
    """A frame, and how it has moved: `optical_flow.observed` to its reference [3, h, w]."""

    frame: SourceFrame
    flow: Tensor


class _Divided(NamedTuple):
    """Frames of a segment for the last key frame, and for its own."""

    following: list[_Moved]
    leading: list[_Moved]


def _nothing() -> Found:
    return Found([], unexamined(torch.zeros(0, 0)))


@dataclass(frozen=True)
class Analysis:
    """A segment, analysed or about to be.

    Attributes:
        key: Its key frame, if it has one.
        following: Waits for the frames that use the last key frame.
        leading: Waits for the frames that use its own key frame.
    """

    key: KeyFrame | None
    following: Callable[[], Found]
    leading: Callable[[], Found]


class Analyst:
    """Analyses segments; they come one after the other."""

    def __init__(
        self,
        latents: Callable[[Picture], LatentTokens],
        keys: KeyCoder,
        network: Network,
        timed: Timed,
        workers: Executor | None,
        *,
        refines: bool,
    ) -> None:
        """Take the parts that do the work.

        Args:
            latents: Makes what finds tokens relative to a reference [H, W, 3].
            keys: Coder of the key pictures.
            network: Restores key pictures as the receiver will.
            timed: Measures the time of a stage.
            workers: Analyse segments side by side; without them a segment is analysed by who waits
                for it.
            refines: Whether tokens are refined.
        """
        self._latents, self._keys, self._network = latents, keys, network
        self._timed, self._workers, self._refines = timed, workers, refines
        self._last: KeyFrame | None = None

    def begin(self, segment: Segment, crf: float) -> Analysis:
        """Begin to analyse the next segment; crf is that of its key picture."""
        last, key = self._last, self._key_of(segment, crf)
        before = last.followed if last else None
        parts = Upcoming(partial(self._divided, segment, last, key, before))
        leading = following = _nothing
        # Begun in this order: frames that follow a key frame wait for those that lead to it.
        if key:
            key.found = Upcoming(partial(self._leading, key, parts))
            leading, self._last = begun(key.found.get, self._workers), key
        if last:
            last.found = Upcoming(partial(self._following, last, last.found, parts))
            following, last.followed = begun(last.found.get, self._workers), parts
        return Analysis(key, following, leading)

    def _key_of(self, segment: Segment, crf: float) -> KeyFrame | None:
        frame = segment.key
        if frame is None:
            return None
        picture = partial(self._picture, frame, segment, crf)
        restore = partial(_restored, self._network, self._timed)
        return KeyFrame(frame, picture, restore, self._latents, refines=self._refines)

    def _picture(self, frame: SourceFrame, segment: Segment, crf: float) -> KeyPicture:
        with self._timed("key frame"):
            return self._keys.code(frame, segment.kind, crf)

    def _divided(
        self,
        segment: Segment,
        last: KeyFrame | None,
        key: KeyFrame | None,
        before: Upcoming[_Divided] | None,
    ) -> _Divided:
        """The frames for each of the two key frames."""
        frames = segment.frames
        if not frames:
            return _Divided([], [])
        if key and segment.lead is Lead.ALL:  # tracked backwards from it
            tracker = MovementTracker(key.reference.get())
            return _Divided([], self._moved(tracker, frames[::-1])[::-1])
        assert last is not None  # frames follow a key frame
        if before:
            before.get()
        tracker = last.tracker.get()
        if key is None or segment.lead is Lead.NOTHING:
            return _Divided(self._moved(tracker, frames), [])
        picture = key.reference.get()
        there = self._compared(tracker, last.reference.get(), frames)
        back = self._compared(MovementTracker(picture), picture, frames[::-1])
        return _Divided(*divided(len(frames), there, back))

    def _moved(self, tracker: MovementTracker, frames: Sequence[SourceFrame]) -> list[_Moved]:
        with self._timed("optical flow"):
            return [_Moved(f, tracker.track(f.picture[None])[0]) for f in frames]

    def _compared(
        self, tracker: MovementTracker, key: Picture, frames: Sequence[SourceFrame]
    ) -> Iterator[tuple[_Moved, float]]:
        """Frames one after the other, and their errors as the reference [H, W, 3] moves."""
        reference = reduce_short_side(to_tensor(key[None]), SIDE, MULTIPLE)
        for frame in frames:
            (moved,) = self._moved(tracker, [frame])
            with self._timed("reference choice"):
                error = unexplained(to_tensor(frame.picture[None]), reference, moved.flow[None])[0]
            yield moved, error

    def _leading(self, key: KeyFrame, parts: Upcoming[_Divided]) -> Found:
        """Tokens of frames before a key frame, from the last one to the first."""
        frames, latents = parts.get().leading, key.latents.get()
        latent = _latent(latents, frames[::-1])
        latents.restart()
        return Found([f.frame for f in frames], latent)

    def _following(
        self, key: KeyFrame, before: Upcoming[Found] | None, parts: Upcoming[_Divided]
    ) -> Found:
        """Tokens of frames after a key frame, once those before them are known."""
        frames = parts.get().following
        if before:
            before.get()
        return Found([f.frame for f in frames], _latent(key.latents.get(), frames))


def _restored(network: Network, timed: Timed, picture: KeyPicture) -> Picture:
    """x_r of a key picture. No method of the analyst, whose key frames would then hold it."""
    with timed("restoration"):
        return network.restore(picture.decoded, picture.restoration)


def _latent(latents: LatentTokens, frames: Sequence[_Moved]) -> Refined:
    return latents.beside([f.frame.picture for f in frames], [f.flow for f in frames])
