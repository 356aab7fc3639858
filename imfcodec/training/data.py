"""Training shards and the pairs drawn from them.

A shard is a folder of plain files: ``frames.u8`` and ``refs.u8`` hold uint8 RGB pictures of
one size back to back, ``index.json`` says which clip each run of frames belongs to and which
``refs`` are AV1-decoded versions of which frame.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor

Pictures = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class Clip:
    """One clip of a shard.

    Attributes:
        identity: Label of the person.
        start: Index of its first frame in ``frames.u8``.
        count: Frames.
        refs: (index in ``refs.u8``, frame within the clip) of each decoded key frame.
        weight: How often the identity is drawn, 1 by default.
    """

    identity: str
    start: int
    count: int
    refs: tuple[tuple[int, int], ...]
    weight: float


class Shard:
    """Memory-mapped frames with their index.

    Raises:
        FileNotFoundError: The folder is not a shard.
    """

    def __init__(self, folder: Path) -> None:
        index = json.loads((folder / "index.json").read_text())
        size = index["size"]
        self.size = size
        self.frames: Pictures = np.memmap(
            folder / "frames.u8", np.uint8, "r", shape=(index["frames"], size, size, 3)
        )
        self.refs: Pictures = np.memmap(
            folder / "refs.u8", np.uint8, "r", shape=(index["refs"], size, size, 3)
        )
        self.clips = [
            Clip(
                clip["identity"],
                clip["start"],
                clip["count"],
                tuple((r["ref"], r["frame"]) for r in clip["refs"]),
                clip.get("weight", 1.0),
            )
            for clip in index["clips"]
        ]


@dataclass(frozen=True)
class Batch:
    """Pairs for one step, pictures [B, 3, S, S] in 0..1.

    Attributes:
        current: x_c, to be rebuilt.
        neighbour: The frames beside the first few x_c in time, for the rate term: enough to
            estimate it, and each costs a pass through the token encoder.
        references: Decoded key frames x_r, one tensor per reference.
        flow: Optical flow from x_c to the first reference in units of the picture
            [B, 2, f, f], and 1 where it is trusted [B, 1, f, f]; None when not asked for.
    """

    current: Tensor
    neighbour: Tensor
    references: list[Tensor]
    flow: tuple[Tensor, Tensor] | None


class PairSampler:
    """Draws batches: an identity, one of its clips, a reference and a target frame.

    Identities, not clips, are drawn uniformly (times their weight), so that a person with a
    hundred clips counts once. Half of the targets are the most different of three candidates:
    large motion is rare in talking heads and is what has to be learned.
    """

    HARD = 0.5
    DECODED = 0.6
    FLOW_SIDE = 64
    RATE_SHARE = 4

    def __init__(self, shard: Shard, seed: int) -> None:
        self.shard = shard
        self.rng = np.random.default_rng(seed)
        self.by_identity: dict[str, list[Clip]] = {}
        for clip in shard.clips:
            self.by_identity.setdefault(clip.identity, []).append(clip)
        self.identities = sorted(self.by_identity)
        weights = np.array([self.by_identity[i][0].weight for i in self.identities])
        self.weights = weights / weights.sum()

    def draw(self, batch: int, size: int, references: int, flow: bool) -> Batch:
        """One batch of ``batch`` pairs at ``size`` x ``size`` pixels."""
        current: list[Tensor] = []
        neighbour: list[Tensor] = []
        refs: list[list[Tensor]] = [[] for _ in range(references)]
        for _ in range(batch):
            picks = self._pair(references)
            flip = self.rng.random() < 0.5
            gain, offset = self.rng.uniform(0.85, 1.15), self.rng.uniform(-0.06, 0.06)
            pictures = [_prepare(p, size, flip, gain, offset) for p in picks]
            current.append(pictures[0])
            neighbour.append(pictures[1])
            for slot, picture in zip(refs, pictures[2:], strict=True):
                slot.append(picture)
        stacked = [torch.stack(r) for r in refs]
        target = torch.stack(current)
        return Batch(
            target,
            torch.stack(neighbour[: max(1, batch // self.RATE_SHARE)]),
            stacked,
            optical_flow(target, stacked[0], self.FLOW_SIDE) if flow else None,
        )

    def _pair(self, references: int) -> list[Pictures]:
        """Target, its neighbour, then the references: uint8 [S, S, 3] each."""
        identity = self.identities[self.rng.choice(len(self.identities), p=self.weights)]
        clips = self.by_identity[identity]
        clip = clips[self.rng.integers(len(clips))]
        frames = self.shard.frames[clip.start : clip.start + clip.count]
        refs = [self._reference(clip, frames) for _ in range(references)]
        candidates = self.rng.integers(clip.count, size=3 if self.rng.random() < self.HARD else 1)
        small = refs[0][::8, ::8].astype(np.int16)
        target = max(
            candidates,
            key=lambda c: int(np.abs(frames[c][::8, ::8].astype(np.int16) - small).sum()),
        )
        beside = target + 1 if target + 1 < clip.count else target - 1
        return [frames[target], frames[beside], *refs]

    def _reference(self, clip: Clip, frames: Pictures) -> Pictures:
        if clip.refs and self.rng.random() < self.DECODED:
            return self.shard.refs[clip.refs[self.rng.integers(len(clip.refs))][0]]
        return frames[self.rng.integers(clip.count)]


def _prepare(picture: Pictures, size: int, flip: bool, gain: float, offset: float) -> Tensor:
    x = torch.from_numpy((picture[:, ::-1] if flip else picture).copy())
    x = x.permute(2, 0, 1).float() / 255
    if size != x.shape[-1]:
        x = F.interpolate(x[None], (size, size), mode="area")[0]
    return ((x - 0.5) * gain + 0.5 + offset).clamp(0, 1)


def optical_flow(current: Tensor, reference: Tensor, side: int) -> tuple[Tensor, Tensor]:
    """DIS optical flow from x_c to x_r where forward and backward agree.

    Returns:
        Flow [B, 2, side, side] in units of the picture, trust [B, 1, side, side] 0 or 1.
    """
    import cv2

    dis = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_FAST)
    grey = [
        (F.interpolate(x, (side * 2, side * 2), mode="area").mean(1) * 255).byte().numpy()
        for x in (current, reference)
    ]
    y, x = np.mgrid[: side * 2, : side * 2].astype(np.float32)
    flows, trusts = [], []
    for c, r in zip(*grey, strict=True):
        forward = dis.calc(c, r, None)  # type: ignore[call-overload]
        backward = dis.calc(r, c, None)  # type: ignore[call-overload]
        back = cv2.remap(backward, x + forward[..., 0], y + forward[..., 1], cv2.INTER_LINEAR)
        trusts.append(np.abs(forward + back).sum(-1) < 1.0)
        flows.append(forward / (side * 2))
    flow = F.avg_pool2d(torch.from_numpy(np.stack(flows)).permute(0, 3, 1, 2), 2)
    trust = F.avg_pool2d(torch.from_numpy(np.stack(trusts)).float()[:, None], 2)
    return flow, (trust > 0.99).float()
