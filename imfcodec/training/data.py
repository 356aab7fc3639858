"""Training shards and the pairs drawn from them.

A shard is a folder of plain files: ``frames.u8`` and ``refs.u8`` hold uint8 RGB pictures of
one size back to back, ``index.json`` says which clip each run of frames belongs to and which
``refs`` are AV1-decoded versions of which frame. ``landmarks.f32`` may say where faces are, and
``sent.safetensors`` what a sender chose for some of the frames.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor

from imfcodec.errors import InputUnreadable, OptionError
from imfcodec.training.config import TrainConfig
from imfcodec.training.landmarks import load_landmarks
from imfcodec.training.look import Look
from imfcodec.training.optical_flow import optical_flow
from imfcodec.training.sent_tokens import SentPairs, SentTokens, load_sent

Pictures = npt.NDArray[np.uint8]

RATE_SHARE = 4
"""One pair in this many has its token rate measured; batches should be multiples."""


class DecodedReference(NamedTuple):
    """One decoded key frame.

    Attributes:
        place: Its index in ``refs.u8``.
        frame: Within the clip, that it was made of.
        crf: Of its independent key frame, which it is itself if it is not predicted.
        predicted: Whether it is.
    """

    place: int
    frame: int
    crf: int
    predicted: bool


@dataclass(frozen=True)
class Clip:
    """One clip of a shard.

    Attributes:
        identity: Label of the person.
        start: Index of its first frame in ``frames.u8``.
        count: Frames.
        refs: Its decoded key frames.
        weight: How often it is drawn, 1 by default.
    """

    identity: str
    start: int
    count: int
    refs: tuple[DecodedReference, ...]
    weight: float


class Shard:
    """Memory-mapped frames with their index.

    Attributes:
        size: Side of the pictures in pixels.
        frames, refs: uint8 [N, size, size, 3].
        clips: What lies where.
        landmarks: float32 [frames, 10] as in `landmarks`, None if they were not looked for.
    """

    def __init__(self, folder: Path) -> None:
        """Map a shard.

        Raises:
            InputUnreadable: The folder is not a shard, or an array is shorter than its index
                says.
        """
        self._folder = folder
        self._shown: Path | None = None
        try:
            index = json.loads((folder / "index.json").read_text())
            self.size: int = index["size"]
            self.frames = self._map(folder / "frames.u8", index["frames"])
            self.refs = self._map(folder / "refs.u8", index["refs"])
            self.landmarks = load_landmarks(folder, index["frames"])
            self.clips = [
                Clip(
                    clip["identity"],
                    clip["start"],
                    clip["count"],
                    tuple(
                        DecodedReference(r["ref"], r["frame"], r["crf"], bool(r["predicted"]))
                        for r in clip["refs"]
                    ),
                    clip.get("weight", 1.0),
                )
                for clip in index["clips"]
                if clip["count"] >= 2
            ]
        except (OSError, KeyError, ValueError) as error:
            raise InputUnreadable(f"{folder} is no training shard: {error}") from error
        if not self.clips:
            raise InputUnreadable(f"{folder} holds no clip of two frames or more")

    @cached_property
    def sent(self) -> SentTokens | None:
        """Tokens of some of the frames, read when they are wanted; None if no sender was asked.

        Raises:
            InputUnreadable: They are damaged, or belong to another shard.
        """
        return load_sent(self._folder, len(self.frames), len(self.refs))

    def decoded_pairs(self) -> list[tuple[int, int]]:
        """Of each decoded key frame the index in ``refs`` and that of its source in ``frames``."""
        return [(ref.place, clip.start + ref.frame) for clip in self.clips for ref in clip.refs]

    def show_references(self, path: Path) -> None:
        """Show other pictures as decoded key frames: a file like ``refs.u8``, as long."""
        self._shown = path
        self.refs = self._map(path, len(self.refs))

    def __reduce__(self) -> tuple[Any, ...]:
        """A copy in another process maps the same files."""
        return _mapped, (self._folder, self._shown)

    def _map(self, path: Path, count: int) -> Pictures:
        if count == 0:
            return np.zeros((0, self.size, self.size, 3), np.uint8)
        return np.memmap(path, np.uint8, "r", shape=(count, self.size, self.size, 3))


def _mapped(folder: Path, shown: Path | None) -> Shard:
    shard = Shard(folder)
    if shown:
        shard.show_references(shown)
    return shard


@dataclass(frozen=True)
class Pick:
    """One pair, as places in the shard.

    Attributes:
        current, neighbour: Frame indices.
        references: (is_decoded, index) of each.
        reference_frames: Frame index of each, of decoded ones too.
    """

    current: int
    neighbour: int
    references: tuple[tuple[bool, int], ...]
    reference_frames: tuple[int, ...]


@dataclass(frozen=True)
class Plan:
    """One batch before its pictures are loaded; small enough to come from another process.

    Attributes:
        picks: The pairs.
        looks: Their augmentation.
        size: Side of the pictures in pixels.
        share: So many pairs, the first ones, have their neighbour loaded.
        flow, other_flows, sent: As in `Batch`, on the CPU.
    """

    picks: list[Pick]
    looks: list[Look]
    size: int
    share: int
    flow: Tensor | None
    other_flows: list[Tensor]
    sent: SentPairs | None = None


@dataclass(frozen=True)
class Batch:
    """Pairs for one step, pictures [B, 3, S, S] in 0..1 on the device.

    Attributes:
        current: x_c, to be rebuilt.
        neighbour: The neighbouring frame of x_c in time, for the first pairs or for all.
        references: Decoded key frames x_r, one tensor per reference.
        flow: Optical flow from x_c to the first reference, `optical_flow` [B, 3, f, f]; None if
            not requested.
        other_flows: That of the further references and of the neighbour, where E_T sees it.
        sent: Tokens that a sender chose for these pairs; None takes those of E_T.
    """

    current: Tensor
    neighbour: Tensor
    references: list[Tensor]
    flow: Tensor | None
    other_flows: list[Tensor]
    sent: SentPairs | None = None


class ClipDrawer:
    """Draws an identity, then one of its clips, by weight.

    Identities, not clips, are drawn uniformly (times their largest weight), so that a person with
    100 clips counts once.
    """

    def __init__(self, clips: Sequence[Clip]) -> None:
        """Take the clips to draw from, at least one."""
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
    """Draws batches: a clip, references and a target frame.

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
        """The batch of one step: `plan`, then `load`.

        Args:
            step: Its number.
            batch: Pairs in the whole batch.
            size: Side of the pictures in pixels.
            flow: Whether optical flow is wanted as supervision.
            part: (index, count): which part of the batch, its pairs index, index + count, ...
        """
        return self.load(self.plan(step, batch, size, flow, part))

    def plan(
        self, step: int, batch: int, size: int, flow: bool, part: tuple[int, int] = (0, 1)
    ) -> Plan:
        """What costs time on the CPU: which pairs, and their optical flow. Arguments as `draw`."""
        rng = np.random.default_rng((self.config.seed, step))
        if self.config.sent and rng.random() < self.config.sent:
            return self._plan_sent(rng, batch, size, flow, part)
        count = 1
        if rng.random() < self.config.two_references:
            count = int(rng.integers(2, 5))
        picks = [self._pick(rng, count) for _ in range(batch)]
        looks = [Look.draw(rng, self.config.affine, self.config.recolour) for _ in range(batch)]
        picks, looks = picks[part[0] :: part[1]], looks[part[0] :: part[1]]
        # The rate is measured on some pairs: it needs a token more than everything else.
        share = len(picks) if self.config.motion > 0 else math.ceil(len(picks) / RATE_SHARE)
        seen = self.config.model.token_encoder_flow
        frames = [p.current for p in picks]
        moved = None
        if flow or seen:
            moved = self._flow(picks, looks, [(False, f) for f in frames], frames)
        others = []
        if seen:
            for r in range(1, count):
                frames = [p.reference_frames[r] for p in picks]
                others.append(self._flow(picks, looks, [p.references[r] for p in picks], frames))
            frames = [p.neighbour for p in picks[:share]]
            places = [(False, f) for f in frames]
            others.append(self._flow(picks[:share], looks[:share], places, frames))
        return Plan(picks, looks, size, share, moved, others)

    def _plan_sent(
        self, rng: np.random.Generator, batch: int, size: int, flow: bool, part: tuple[int, int]
    ) -> Plan:
        """A batch of pairs that a sender has seen; each shows both its frames."""
        sent = self.shard.sent
        assert sent is not None  # checked when the sampler was made
        mine = slice(part[0], None, part[1])
        runs = rng.integers(len(sent.tokens), size=batch)
        places = rng.integers(sent.tokens.shape[1] - 1, size=batch)[mine]
        # Tokens say how things move, which colours have no part in.
        looks = [
            Look.of_numbers(sent.looks[run]).in_other_colours(rng, self.config.recolour)
            for run in runs
        ][mine]
        runs = runs[mine]
        picks = [
            Pick(
                int(sent.frames[run, place]),
                int(sent.frames[run, place + 1]),
                ((True, int(sent.reference[run])),),
                (int(sent.reference_frame[run]),),
            )
            for run, place in zip(runs, places, strict=True)
        ]
        frames = [p.current for p in picks]
        moved = self._flow(picks, looks, [(False, f) for f in frames], frames) if flow else None
        return Plan(picks, looks, size, len(picks), moved, [], sent.pairs(runs, places))

    def load(self, plan: Plan) -> Batch:
        """The pictures of a plan, and all of it on the device."""
        picks, looks, size, share = plan.picks, plan.looks, plan.size, plan.share
        beside = [(False, p.neighbour) for p in picks[:share]]
        return Batch(
            self._pictures([(False, p.current) for p in picks], looks, size),
            self._pictures(beside, looks[:share], size),
            [
                self._pictures([p.references[r] for p in picks], looks, size)
                for r in range(len(picks[0].references))
            ],
            None if plan.flow is None else plan.flow.to(self.device),
            [flow.to(self.device) for flow in plan.other_flows],
            None if plan.sent is None else SentPairs(*(t.to(self.device) for t in plan.sent)),
        )

    def _pick(self, rng: np.random.Generator, references: int) -> Pick:
        clip = self.drawer.draw(rng)
        drawn = [self._reference(rng, clip) for _ in range(references)]
        refs, frames = tuple(d[:2] for d in drawn), tuple(d[2] for d in drawn)
        count = self.CANDIDATES if rng.random() < self.config.hard else 1
        low, high = clip.start, clip.start + clip.count
        if self.config.near > 0 and rng.random() < self.config.near:
            reach = self.config.near_frames
            low, high = max(low, frames[0] - reach), min(high, frames[0] + reach + 1)
        if self.config.still > 0 and rng.random() < self.config.still:
            low, high = frames[0], frames[0] + 1
        candidates = rng.integers(low, high, size=count)
        current = candidates[0]
        if count > 1:
            coarse = self._source(refs[0])[::8, ::8].astype(np.int16)
            current = max(
                candidates,
                key=lambda c: int(np.abs(self.shard.frames[c][::8, ::8] - coarse).sum()),
            )
        last = clip.start + clip.count - 1
        neighbour = current + 1 if current < last else current - 1
        return Pick(int(current), int(neighbour), refs, frames)

    def _reference(self, rng: np.random.Generator, clip: Clip) -> tuple[bool, int, int]:
        """Whether it is decoded, its index there, and the index of its frame."""
        if clip.refs and rng.random() < self.config.decoded_references:
            ref = clip.refs[rng.integers(len(clip.refs))]
            return True, ref.place, clip.start + ref.frame
        frame = clip.start + int(rng.integers(clip.count))
        return False, frame, frame

    def _source(self, place: tuple[bool, int]) -> Pictures:
        decoded, index = place
        picture: Pictures = (self.shard.refs if decoded else self.shard.frames)[index]
        return picture

    def _pictures(self, places: list[tuple[bool, int]], looks: list[Look], size: int) -> Tensor:
        if self._resident:
            frames, refs = self._resident
            x = torch.stack([(refs if decoded else frames)[index] for decoded, index in places])
        else:
            x = torch.from_numpy(np.stack([self._source(p) for p in places]))
        x = x.permute(0, 3, 1, 2).float().div_(255)
        if size != x.shape[-1]:
            x = F.interpolate(x, (size, size), mode="area")
        return Look.apply(looks, x)

    def _flow(
        self,
        picks: list[Pick],
        looks: list[Look],
        places: list[tuple[bool, int]],
        frames: list[int],
    ) -> Tensor:
        """Optical flow from pictures, which show these frames, to the picks' first references."""
        known = self.shard.landmarks
        flow = optical_flow(
            [self._source(p) for p in places],
            [self._source(p.references[0]) for p in picks],
            None
            if known is None
            else [
                (known[f], known[p.reference_frames[0]]) for f, p in zip(frames, picks, strict=True)
            ],
        )
        return Look.apply_to_flow(looks, flow)


def _shares(weights: Iterable[float]) -> npt.NDArray[np.float64]:
    """Weights -> shares of 1."""
    values = np.array(list(weights))
    return values / values.sum()


def planner(shard: Shard, config: TrainConfig) -> Callable[..., Plan]:
    """`PairSampler.plan` on a shard."""
    return PairSampler(shard, config).plan


def _to_device(pictures: Pictures, device: str, chunk: int = 2048) -> Tensor:
    """Copy to the device piece by piece, so that the host never holds a second copy."""
    target = torch.empty(pictures.shape, dtype=torch.uint8, device=device)
    for begin in range(0, len(pictures), chunk):
        piece = np.array(pictures[begin : begin + chunk])
        target[begin : begin + chunk].copy_(torch.from_numpy(piece))
    return target
