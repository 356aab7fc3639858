"""Pairs drawn from a shard: a target frame and the reference that it is rebuilt from."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor

from imfcodec.errors import OptionError
from imfcodec.media.faces import eyes_and_mouth
from imfcodec.training.config import TrainConfig
from imfcodec.training.look import Look
from imfcodec.training.optical_flow import optical_flow
from imfcodec.training.sent_tokens import SentPairs
from imfcodec.training.shards import Clip, Pictures, Shard

RATE_SHARE = 4
"""One pair in this many has its token rate measured; batches should be multiples."""


class Place(NamedTuple):
    """Where a picture lies in a shard.

    Attributes:
        number: In ``refs`` if it is decoded, else in ``frames``.
        frame: Index of the frame that it shows, also if it is decoded.
        decoded: Whether it is a decoded key frame.
    """

    number: int
    frame: int
    decoded: bool

    @classmethod
    def of_frame(cls, frame: int) -> Place:
        """The place of a source frame."""
        return cls(int(frame), int(frame), decoded=False)


class Pick(NamedTuple):
    """One pair, and the frame beside its target in time."""

    current: Place
    neighbour: Place
    reference: Place


@dataclass(frozen=True)
class Plan:
    """One batch before its pictures are loaded; small enough to come from another process.

    Attributes:
        picks: The pairs.
        looks: Their augmentation.
        size: Side of the pictures in pixels.
        share: So many pairs, the first ones, have their neighbour loaded.
        flow, neighbour_flow, sent: As in `Batch`, on the CPU.
    """

    picks: list[Pick]
    looks: list[Look]
    size: int
    share: int
    flow: Tensor | None
    neighbour_flow: Tensor | None
    sent: SentPairs | None = None


@dataclass(frozen=True)
class Batch:
    """Pairs for one step, pictures [B, 3, S, S] in 0..1 on the device.

    Attributes:
        current: x_c, to be rebuilt.
        neighbour: The neighbouring frame of x_c in time, for the first pairs or for all.
        reference: Key frames x_r.
        weights: Of errors in the pixels of x_c, [B, 1, S, S]; the mean of each picture is 1.
        flow: Optical flow from x_c to x_r, `optical_flow` [B, 3, f, f]; None if not requested.
        neighbour_flow: That of the neighbour; None where E_T does not see it.
        sent: Tokens that a sender chose for these pairs; None takes those of E_T.
    """

    current: Tensor
    neighbour: Tensor
    reference: Tensor
    weights: Tensor
    flow: Tensor | None
    neighbour_flow: Tensor | None
    sent: SentPairs | None = None

    def to(self, device: str) -> Batch:
        """The same on a device."""
        return Batch(
            self.current.to(device),
            self.neighbour.to(device),
            self.reference.to(device),
            self.weights.to(device),
            None if self.flow is None else self.flow.to(device),
            None if self.neighbour_flow is None else self.neighbour_flow.to(device),
            None if self.sent is None else SentPairs(*(t.to(device) for t in self.sent)),
        )


class ClipDrawer:
    """Draws an identity, then one of its clips, by weight.

    Identities, not clips, are drawn uniformly (times their largest weight), so that a person with
    100 clips counts once.
    """

    def __init__(self, clips: Sequence[Clip]) -> None:
        by_identity: dict[str, list[Clip]] = {}
        for clip in clips:
            by_identity.setdefault(clip.identity, []).append(clip)
        self.identities = sorted(by_identity)
        self._people = [by_identity[identity] for identity in self.identities]
        # Somebody of whom there are videos is not drawn less for photographs that are there too.
        self.weights = _shares(max(clip.weight for clip in clips) for clips in self._people)
        self._clip_shares = [_shares(clip.weight for clip in clips) for clips in self._people]

    def draw(self, rng: np.random.Generator) -> Clip:
        """One clip."""
        person = rng.choice(len(self.identities), p=self.weights)
        clips = self._people[person]
        return clips[rng.choice(len(clips), p=self._clip_shares[person])]


class PairSampler:
    """Draws batches: a clip, a reference and a target frame.

    Some targets are the most different of three candidates: large motion is rare in talking heads,
    but must be learned. Some batches are frames of a sender with the tokens that it chose, flipped
    and moved as the sender saw them.

    Batch n depends on the seed and n only. A resumed run therefore sees the same batches, and
    several processes each take their part of one batch.
    """

    CANDIDATES = 3

    def __init__(self, shard: Shard, config: TrainConfig, device: str = "cpu") -> None:
        """Prepare to draw from a shard; on a GPU its frames move to the GPU's memory.

        Raises:
            OptionError: Tokens that a sender chose are wanted, and the shard has none.
        """
        self.shard = shard
        self.config = config
        self.device = device
        self.drawer = ClipDrawer(shard.clips)
        if config.sent and shard.sent is None:
            raise OptionError("the shard has no sent tokens: run imfcodec train tokens SHARD")
        self._resident: tuple[Tensor, Tensor] | None = None
        if device != "cpu":
            self._resident = (_to_device(shard.frames, device), _to_device(shard.refs, device))

    def draw(
        self, step: int, batch: int, size: int, flow: bool, part: tuple[int, int] = (0, 1)
    ) -> Batch:
        """The batch of one step: `plan`, then `load`."""
        return self.load(self.plan(step, batch, size, flow, part))

    def plan(
        self, step: int, batch: int, size: int, flow: bool, part: tuple[int, int] = (0, 1)
    ) -> Plan:
        """What costs time on the CPU: which pairs, and their optical flow.

        Args:
            step: Number of the step.
            batch: Pairs in the whole batch.
            size: Side of the pictures in pixels.
            flow: Whether optical flow is wanted as supervision.
            part: (index, count): which part of the batch, its pairs index, index + count, ...
        """
        rng = np.random.default_rng((self.config.seed, step))
        mine = slice(part[0], None, part[1])
        if self.config.sent and rng.random() < self.config.sent:
            return self._plan_sent(rng, batch, size, flow, mine)
        rng.random()  # not used; without it, a seed would stand for other pairs than it did
        picks = [self._pick(rng) for _ in range(batch)][mine]
        looks = [Look.draw(rng, self.config.affine, self.config.recolour) for _ in range(batch)]
        looks = looks[mine]
        # The rate is measured on some pairs: it needs a token more than everything else.
        share = len(picks) if self.config.motion > 0 else math.ceil(len(picks) / RATE_SHARE)
        moved = beside = None
        if self.config.model.token_encoder_flow:
            beside = self._flow(picks[:share], looks[:share], [p.neighbour for p in picks[:share]])
        if flow or self.config.model.token_encoder_flow:
            moved = self._flow(picks, looks, [p.current for p in picks])
        return Plan(picks, looks, size, share, moved, beside)

    def __getitem__(self, request: tuple[int, int, int, bool, tuple[int, int]]) -> Plan:
        """`plan` with these arguments."""
        return self.plan(*request)

    def _plan_sent(
        self, rng: np.random.Generator, batch: int, size: int, flow: bool, mine: slice
    ) -> Plan:
        """A batch of pairs that a sender has seen; each shows both its frames."""
        sent = self.shard.sent
        assert sent is not None  # checked when the sampler was made
        runs = rng.integers(len(sent.tokens), size=batch)
        places = rng.integers(sent.tokens.shape[1] - 1, size=batch)[mine]
        # Tokens say how things move, which colours have no part in.
        looks = [
            Look.of_numbers(sent.looks[run]).in_other_colours(rng, self.config.recolour)
            for run in runs
        ][mine]
        runs = runs[mine]
        picks = []
        for run, place in zip(runs, places, strict=True):
            current, neighbour = map(Place.of_frame, sent.frames[run, place : place + 2])
            key = Place(int(sent.reference[run]), int(sent.reference_frame[run]), decoded=True)
            picks.append(Pick(current, neighbour, key))
        moved = self._flow(picks, looks, [p.current for p in picks]) if flow else None
        return Plan(picks, looks, size, len(picks), moved, None, sent.pairs(runs, places))

    def load(self, plan: Plan) -> Batch:
        """The pictures of a plan, and all of it on the device."""
        picks, looks, share = plan.picks, plan.looks, plan.share
        return Batch(
            self._pictures([p.current for p in picks], looks, plan.size),
            self._pictures([p.neighbour for p in picks[:share]], looks[:share], plan.size),
            self._pictures([p.reference for p in picks], looks, plan.size),
            self._weights([p.current for p in picks], looks, plan.size),
            plan.flow,
            plan.neighbour_flow,
            plan.sent,
        ).to(self.device)

    def _pick(self, rng: np.random.Generator) -> Pick:
        clip = self.drawer.draw(rng)
        reference = self._reference(rng, clip)
        count = self.CANDIDATES if rng.random() < self.config.hard else 1
        low, high = clip.start, clip.start + clip.count
        if self.config.near > 0 and rng.random() < self.config.near:
            reach = self.config.near_frames
            low, high = max(low, reference.frame - reach), min(high, reference.frame + reach + 1)
        if self.config.still > 0 and rng.random() < self.config.still:
            low, high = reference.frame, reference.frame + 1
        candidates = rng.integers(low, high, size=count)
        current = candidates[0]
        if count > 1:
            coarse = self._source(reference)[::8, ::8].astype(np.int16)
            differences = [np.abs(self.shard.frames[c][::8, ::8] - coarse) for c in candidates]
            current = candidates[np.argmax([d.sum() for d in differences])]
        last = clip.start + clip.count - 1
        neighbour = current + 1 if current < last else current - 1
        return Pick(Place.of_frame(current), Place.of_frame(neighbour), reference)

    def _reference(self, rng: np.random.Generator, clip: Clip) -> Place:
        if clip.refs and rng.random() < self.config.decoded_references:
            ref = clip.refs[rng.integers(len(clip.refs))]
            return Place(ref.place, clip.start + ref.frame, decoded=True)
        return Place.of_frame(clip.start + int(rng.integers(clip.count)))

    def _source(self, place: Place) -> Pictures:
        picture: Pictures = (self.shard.refs if place.decoded else self.shard.frames)[place.number]
        return picture

    def _pictures(self, places: Sequence[Place], looks: list[Look], size: int) -> Tensor:
        if self._resident:
            frames, refs = self._resident
            x = torch.stack([(refs if p.decoded else frames)[p.number] for p in places])
        else:
            x = torch.from_numpy(np.stack([self._source(p) for p in places]))
        x = x.permute(0, 3, 1, 2).float().div_(255)
        if size != x.shape[-1]:
            x = F.interpolate(x, (size, size), mode="area")
        return Look.apply(looks, x)

    def _weights(self, places: Sequence[Place], looks: list[Look], size: int) -> Tensor:
        """More for eyes and mouths than for the rest, as far as landmarks are known."""
        known = self.shard.landmarks
        weights = torch.ones(len(places), 1, size, size)
        for place, rows in zip(places, weights, strict=True):
            if known is not None and np.isfinite(known[place.frame]).all():
                points = known[place.frame].reshape(-1, 2).astype(np.float64) * size
                for box in eyes_and_mouth(points):
                    rows[0][box] = self.config.face_weight
        weights = Look.apply_to_weights(looks, weights.to(self.device))
        return weights / weights.mean((1, 2, 3), keepdim=True)

    def _flow(self, picks: list[Pick], looks: list[Look], places: Sequence[Place]) -> Tensor:
        """Optical flow from these pictures to the picks' references."""
        known = self.shard.landmarks
        ways = list(zip(places, (p.reference for p in picks), strict=True))
        flow = optical_flow(
            [self._source(here) for here, _ in ways],
            [self._source(there) for _, there in ways],
            None if known is None else [(known[a.frame], known[b.frame]) for a, b in ways],
        )
        return Look.apply_to_flow(looks, flow)


def _shares(weights: Iterable[float]) -> npt.NDArray[np.float64]:
    """Weights -> shares of 1."""
    values = np.array(list(weights))
    return values / values.sum()


def _to_device(pictures: Pictures, device: str, chunk: int = 2048) -> Tensor:
    """Copy to the device piece by piece, so that the host never holds a second copy."""
    target = torch.empty(pictures.shape, dtype=torch.uint8, device=device)
    for begin in range(0, len(pictures), chunk):
        piece = np.array(pictures[begin : begin + chunk])
        target[begin : begin + chunk].copy_(torch.from_numpy(piece))
    return target
